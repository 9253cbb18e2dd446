import { DatabaseError } from 'pg';
import { Problem } from '../../core/problem.ts';

/** Classes of SQLSTATE (the first two characters) and whole codes by which Postgres says "not now", not "wrong". */
const UNAVAILABLE_CLASSES = new Set(['08', '53', '57', '58']);
const UNAVAILABLE_STATES = new Set([
  '25006', // read_only_sql_transaction: after a failover
  '25P03', // idle_in_transaction_session_timeout
  '40001', // serialization_failure
  '40P01', // deadlock_detected
]);
/** The server is there and answered: one statement, or its wait for a lock, took longer than it may. */
const TIMEOUT_STATES = new Set([
  '55P03', // lock_not_available
  '57014', // query_canceled: statement_timeout
]);
/** Of the system: there was no connection, or it is gone. */
const SYSTEM_ERRORS = new Set([
  'EACCES',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOENT', // the socket of the embedded database
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);
/** What the driver says without any code when it never got an answer. */
const NO_ANSWER =
  /^(Query read timeout|timeout exceeded when trying to connect|timeout expired|Connection terminated|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/**
 * The problem `storage-unavailable` when the database is gone, frozen, full or read-only, `storage-timeout` when it is
 * there and too slow, or locked; nothing for anything else, which is a bug or a broken constraint.
 */
export function storageProblem(error: unknown): Problem | undefined {
  const failures = [...failuresIn(error)];
  if (failures.some(isTimeout)) {
    return new Problem('storage-timeout', 'The database did not finish in time.', {
      hint: 'Nothing was changed that was not confirmed. Try again in a few seconds.',
      cause: error,
    });
  }
  if (!failures.some(isUnavailable)) return undefined;
  return new Problem('storage-unavailable', 'The database did not answer in time or refused to work.', {
    hint: 'Nothing was changed that was not confirmed. Try again in a few seconds.',
    cause: error,
  });
}

/**
 * With the causes, as Drizzle wraps what the driver throws, and the errors of each address that was tried: for a host
 * with several, Node 20 throws an AggregateError that has nothing but a code.
 */
function* failuresIn(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  yield* failuresIn(error.cause);
  if (error instanceof AggregateError) for (const one of error.errors) yield* failuresIn(one);
}

/** What Postgres calls the failure, if it was Postgres that failed. */
export function sqlStateOf(error: unknown): string | undefined {
  for (const cause of failuresIn(error)) if (cause instanceof DatabaseError) return cause.code;
  return undefined;
}

const isTimeout = (error: Error): boolean =>
  error instanceof DatabaseError && TIMEOUT_STATES.has(error.code ?? '');

function isUnavailable(error: Error): boolean {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (error instanceof DatabaseError) {
    return UNAVAILABLE_CLASSES.has(code.slice(0, 2)) || UNAVAILABLE_STATES.has(code);
  }
  return SYSTEM_ERRORS.has(code) || NO_ANSWER.test(error.message);
}

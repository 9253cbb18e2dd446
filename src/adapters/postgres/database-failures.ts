import { DatabaseError } from 'pg';
import { Problem } from '../../core/problem.ts';

/** Classes of SQLSTATE (the first two characters) and whole codes by which Postgres says "not now", not "wrong". */
const UNAVAILABLE_CLASSES = new Set(['08', '53', '57', '58']);
const UNAVAILABLE_STATES = new Set([
  '25P03', // idle_in_transaction_session_timeout
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
]);
/** What the driver says without any code when it never got an answer. */
const NO_ANSWER =
  /^(Query read timeout|timeout exceeded when trying to connect|timeout expired|Connection terminated|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/**
 * The problem `storage-unavailable` when the database is gone, frozen, full or locked; nothing for anything else,
 * which is a bug or a broken constraint. Looks through the causes, as Drizzle wraps what the driver throws.
 */
export function storageProblem(error: unknown): Problem | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!isUnavailable(cause)) continue;
    return new Problem('storage-unavailable', 'The database did not answer in time or refused to work.', {
      hint: 'Nothing was changed that was not confirmed. Try again in a few seconds.',
      cause: error,
    });
  }
  return undefined;
}

function isUnavailable(error: Error): boolean {
  if (error instanceof DatabaseError) {
    const state = error.code ?? '';
    return UNAVAILABLE_CLASSES.has(state.slice(0, 2)) || UNAVAILABLE_STATES.has(state);
  }
  const isSystemError = 'syscall' in error && 'errno' in error;
  return isSystemError || NO_ANSWER.test(error.message);
}

import { sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import type {
  EarlierSignal,
  ExternalKey,
  FirstAnswers,
  FirstQuestions,
  HeldApprovals,
  SignalStore,
  SignalTransaction,
} from '../../pipeline/store.ts';
import type { ReadAudiences } from './audiences.ts';
import { commitGroup } from './commit-group.ts';
import { sqlStateOf } from './database-failures.ts';
import type { Database, Statements } from './database.ts';
import { readRegistries } from './resolve-subjects.ts';
import { recall } from './signal-memory.ts';
import { answerOf } from './signal-rows.ts';
import { lockRegistry, shareRegistry } from './standing-binding.ts';
import { signals } from './schema.ts';
import { together } from './together.ts';

/** Two nodes met over the same rows or the same external id: a second look decides. */
const retriedStates = new Set(['40001', '40P01', '23505']);

export function createSignalStore(options: {
  readonly database: Database;
  readonly readAudiences: ReadAudiences;
}): SignalStore {
  const { database, readAudiences } = options;
  const once = <T>(
    first: FirstQuestions,
    work: (tx: SignalTransaction, answers: FirstAnswers) => Promise<T>,
  ): Promise<T> =>
    database.transact<FirstAnswers, T>(
      (tx, answers) => work(transactionOn(tx), answers),
      (tx) => answerFirst(tx, first, readAudiences),
    );
  return {
    async transact(first, work) {
      try {
        return await once(first, work).catch((error: unknown) => {
          if (retriedStates.has(sqlStateOf(error) ?? '')) return once(first, work);
          throw error;
        });
      } catch (error) {
        throw unstorable(error) ?? error;
      }
    },
  };
}

async function answerFirst(
  tx: Statements,
  first: FirstQuestions,
  readAudiences: ReadAudiences,
): Promise<FirstAnswers> {
  const [, earlier, registries, audiences] = await together([
    first.registries === 'read' ? shareRegistry(tx) : lockRegistry(tx),
    findEarlier(tx, first.keys),
    readRegistries(tx, first.queries),
    readAudiences(tx),
  ]);
  return { earlier, registries, audiences };
}

const transactionOn = (tx: Statements): SignalTransaction => ({
  recall: (questions) => recall(tx, questions),
  commit: (group, nowMs) => commitGroup(tx, group, nowMs),
  async lockHeld(signalId) {
    const { rows } = await tx.execute<HeldApprovals>(sql`
      SELECT jsonb_array_length(approvals) AS approvals FROM hub.held
       WHERE signal_id = ${signalId} AND state = 'waiting' FOR UPDATE`);
    return rows[0];
  },
});

async function findEarlier(
  tx: Statements,
  keys: readonly ExternalKey[],
): Promise<readonly (EarlierSignal | undefined)[]> {
  const given = keys.filter(({ externalId }) => externalId !== undefined);
  if (given.length === 0) return keys.map(() => undefined);
  const rows = await tx
    .select()
    .from(signals)
    .where(sql`(${signals.sourceId}, ${signals.externalId}) IN (
      SELECT * FROM unnest(${sql.param(given.map(({ sourceId }) => sourceId))}::text[],
                           ${sql.param(given.map(({ externalId }) => externalId))}::text[]))`);
  const earlier = new Map(rows.map((row) => [JSON.stringify([row.sourceId, row.externalId]), row]));
  return keys.map(({ sourceId, externalId }) => {
    const row = externalId === undefined ? undefined : earlier.get(JSON.stringify([sourceId, externalId]));
    return row && { bodySha256: row.bodySha256, answer: answerOf(row, true) };
  });
}

/** Class 22: text that is none. 54000: a name too long for an index. */
function unstorable(error: unknown): Problem | undefined {
  const state = sqlStateOf(error);
  if (state === undefined || !(state.startsWith('22') || state === '54000')) return undefined;
  return new Problem('unstorable-text', 'Something in the signal cannot be stored.', {
    hint: 'Texts are well-formed Unicode without U+0000; names are at most 2,000 bytes long.',
    cause: error,
  });
}

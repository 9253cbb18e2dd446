import { sqlStateOf } from './database-failures.ts';

/** in_failed_sql_transaction: an earlier statement of the transaction failed, and says why. */
const becauseOfAnother = '25P02';

/**
 * Statements of one transaction that were sent together: waits until none is under way any more.
 *
 * @throws what failed by itself, rather than what failed because of it.
 */
export async function together<const Sent extends readonly Promise<unknown>[]>(
  sent: Sent,
): Promise<{ -readonly [Index in keyof Sent]: Awaited<Sent[Index]> }> {
  const failures: unknown[] = [];
  for (const outcome of await Promise.allSettled(sent)) {
    if (outcome.status === 'rejected') failures.push(outcome.reason);
  }
  if (failures.length === 0) return Promise.all(sent);
  throw failures.find((failure) => sqlStateOf(failure) !== becauseOfAnother) ?? failures[0];
}

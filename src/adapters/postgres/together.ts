import { sqlStateOf } from './database-failures.ts';

/** in_failed_sql_transaction: an earlier statement of the transaction failed, and says why. */
const becauseOfAnother = '25P02';

/**
 * Statements of one transaction that were sent together: waits until none is under way any more.
 *
 * @throws what failed by itself, rather than what failed because of it.
 */
export async function together<Sent extends readonly unknown[]>(
  sent: readonly [...{ [Index in keyof Sent]: Promise<Sent[Index]> }],
): Promise<Sent> {
  const outcomes = await Promise.allSettled<unknown>(sent);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  if (failures.length > 0) {
    throw failures.find((failure) => sqlStateOf(failure) !== becauseOfAnother) ?? failures[0];
  }
  return Promise.all(sent) as unknown as Promise<Sent>;
}

import type { Millis } from './vocabulary.ts';

/** What is known of one endpoint. `closedBreaker` is where each begins. */
export type Breaker = {
  /** SETs that were not taken when they were first tried, since the last usable answer. */
  readonly failuresInRow: number;
  /** Nobody goes there before. */
  readonly blockedUntilMs: Millis;
  /** Since when it is thought to be gone: attempts begun before tell nothing new. Absent: it is not. */
  readonly openedAtMs?: Millis;
};

export const closedBreaker: Breaker = { failuresInRow: 0, blockedUntilMs: 0 };

export const breakerLimits = {
  /** So many failures in a row open it, or one refusal; until an answer comes one attempt at a time is made. */
  failuresMax: 5,
  firstBlockMs: 1_000,
  blockMsMax: 5 * 60_000,
} as const;

/**
 * - `answer`: somebody is there and takes what is sent, or refuses this one only.
 * - `failure`: it may succeed later.
 * - `refusal`: credentials or address do not work, by the word of whoever is there.
 */
export type AttemptOutcome = 'answer' | 'failure' | 'refusal';

/**
 * After an attempt. With each SET that fails when it is first tried the next block is twice as long; an answer ends them
 * all. One that fails again tells nothing new of the endpoint: it makes the last block come again, and nobody else waits
 * longer for its sake. A burst that fails together opens it once and does not lengthen the block.
 */
export function noteAttempt(
  breaker: Breaker,
  {
    outcome,
    isFirst,
    startedAtMs,
    nowMs,
  }: {
    readonly outcome: AttemptOutcome;
    /** Of this SET. */
    readonly isFirst: boolean;
    readonly startedAtMs: Millis;
    readonly nowMs: Millis;
  },
): Breaker {
  if (outcome === 'answer') return closedBreaker;
  if (startedAtMs < (breaker.openedAtMs ?? 0)) return breaker;
  const failuresInRow = isFirst ? countedUp(breaker.failuresInRow, outcome) : breaker.failuresInRow;
  const beyond = failuresInRow - breakerLimits.failuresMax;
  if (beyond < 0) return { failuresInRow, blockedUntilMs: 0 };
  const blockMs = Math.min(breakerLimits.firstBlockMs * 2 ** beyond, breakerLimits.blockMsMax);
  return { failuresInRow, blockedUntilMs: nowMs + blockMs, openedAtMs: nowMs };
}

const countedUp = (failuresInRow: number, outcome: AttemptOutcome): number =>
  outcome === 'refusal' ? Math.max(failuresInRow + 1, breakerLimits.failuresMax) : failuresInRow + 1;

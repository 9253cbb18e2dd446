import type { Millis } from './vocabulary.ts';

/** What is known of one endpoint. `closedBreaker` is where each begins. */
export type Breaker = {
  /** Attempts without any usable answer since the last that had one. */
  readonly failuresInRow: number;
  /** Nobody goes there before. */
  readonly blockedUntilMs: Millis;
  /** Since when it is thought to be gone: attempts begun before tell nothing new. Absent: it is not. */
  readonly openedAtMs?: Millis;
};

export const closedBreaker: Breaker = { failuresInRow: 0, blockedUntilMs: 0 };

export const breakerLimits = {
  /** So many failures in a row open it. */
  failuresMax: 5,
  firstBlockMs: 10_000,
  blockMsMax: 5 * 60_000,
  /** The one attempt that is let through has so long before another may try. Longer than a whole request. */
  trialMs: 15_000,
} as const;

/** Whether an attempt may begin now. Of those that come when a block is over one is let through: `breaker` says so. */
export function admitAttempt(
  breaker: Breaker,
  nowMs: Millis,
): { readonly isAdmitted: boolean; readonly breaker: Breaker } {
  if (nowMs < breaker.blockedUntilMs) return { isAdmitted: false, breaker };
  if (breaker.openedAtMs === undefined) return { isAdmitted: true, breaker };
  return { isAdmitted: true, breaker: { ...breaker, blockedUntilMs: nowMs + breakerLimits.trialMs } };
}

/**
 * After an attempt. An answer of any kind shows that somebody is there; a failure is what may succeed later. Blocks
 * double from the fifth failure in a row on. A burst that fails together opens it once and does not lengthen the block.
 */
export function noteAttempt(
  breaker: Breaker,
  {
    outcome,
    startedAtMs,
    nowMs,
  }: { readonly outcome: 'answer' | 'failure'; readonly startedAtMs: Millis; readonly nowMs: Millis },
): Breaker {
  if (outcome === 'answer') return closedBreaker;
  if (startedAtMs < (breaker.openedAtMs ?? 0)) return breaker;
  const failuresInRow = breaker.failuresInRow + 1;
  const beyond = failuresInRow - breakerLimits.failuresMax;
  if (beyond < 0) return { failuresInRow, blockedUntilMs: 0 };
  const blockMs = Math.min(breakerLimits.firstBlockMs * 2 ** beyond, breakerLimits.blockMsMax);
  return { failuresInRow, blockedUntilMs: nowMs + blockMs, openedAtMs: nowMs };
}

import { breakerLimits, closedBreaker, noteAttempt, type Breaker } from '../core/circuit-breaker.ts';
import { planRetry } from '../core/retry-waits.ts';
import type { Millis, StreamId } from '../core/vocabulary.ts';
import type { EndpointState, Settlement } from './delivery-ports.ts';
import type { JudgePush } from './deliverer.ts';
import type { PushAnswer } from './ports.ts';

/** After so many in a row one SET at a time is tried. */
export const failuresUntilTrial: number = breakerLimits.failuresMax;
/** Where nothing will be taken before somebody changes credentials or address, it is tried again this seldom. */
const blockedWaitMs = 5 * 60_000;

/**
 * What follows from how a push went: for its SET, and for when that endpoint is tried again. The stream stays as it is.
 *
 * @see pushRules, RFC 8935 §4
 */
export function createJudgePush({ chance }: { readonly chance: () => number }): JudgePush {
  const breakers = new Map<StreamId, Breaker & { readonly notedAtMs: Millis }>();
  return (claim, outcome, { startedAtMs, nowMs }) => {
    const { id, fence, streamId, attempts, firstSentAtMs = startedAtMs, failuresInRow } = claim;
    const known = breakers.get(streamId);
    // Begun after the last word about it: the row knows what others found, and whether somebody mended it.
    const isTold = known === undefined || (failuresInRow === 0 && startedAtMs > known.notedAtMs);
    const before: Breaker = isTold ? { ...closedBreaker, failuresInRow } : known;
    const isFailure = outcome.kind === 'retry';
    const after = noteAttempt(before, { outcome: isFailure ? 'failure' : 'answer', startedAtMs, nowMs });
    if (after.failuresInRow === 0) breakers.delete(streamId);
    else breakers.set(streamId, { ...after, notedAtMs: nowMs });
    const blockedUntilMs = outcome.kind === 'blocked' ? nowMs + blockedWaitMs : after.blockedUntilMs;
    const endpoint: EndpointState = { streamId, failuresInRow: after.failuresInRow, blockedUntilMs };
    const isNews = failuresInRow > 0 || after.failuresInRow > 0 || blockedUntilMs > nowMs;
    const settled = (settlement: Settlement) => ({ settlement, ...(isNews ? { endpoint } : {}) });
    const comesAgain = (answer: PushAnswer, retryAfterMs?: number) => {
      const plan = planRetry({
        attempts,
        ageMs: nowMs - firstSentAtMs,
        chance: chance(),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
      if (plan.kind === 'give-up') return settled({ id, fence, state: 'dead', answer });
      return settled({ id, fence, state: 'retry', answer, dueAtMs: nowMs + plan.waitMs });
    };
    if (outcome.kind === 'delivered') {
      const answer = outcome.status === 202 ? {} : { answer: { status: outcome.status } };
      return settled({ id, fence, state: 'delivered', ...answer });
    }
    if (outcome.kind === 'rejected') return settled({ id, fence, state: 'dead', answer: outcome.answer });
    return comesAgain(outcome.answer, outcome.kind === 'blocked' ? blockedWaitMs : outcome.retryAfterMs);
  };
}

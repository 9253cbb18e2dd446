import {
  type AttemptOutcome,
  type Breaker,
  breakerLimits,
  closedBreaker,
  noteAttempt,
} from '../core/circuit-breaker.ts';
import { goOnTrying, planRetry } from '../core/retry-waits.ts';
import type { Millis, StreamId } from '../core/vocabulary.ts';
import type { ClaimedPush, EndpointState, Settlement } from './delivery-ports.ts';
import type { PushAnswer, PushOutcome } from './ports.ts';

/** After so many in a row one SET at a time is tried. */
export const failuresUntilTrial: number = breakerLimits.failuresMax;

export type JudgePush = (
  claim: ClaimedPush,
  outcome: PushOutcome,
  times: { readonly startedAtMs: Millis; readonly nowMs: Millis },
) => { readonly settlement: Settlement; readonly endpoint?: EndpointState };

/** What each says of the endpoint. */
const toldByKind = {
  delivered: 'answer',
  rejected: 'answer',
  retry: 'failure',
  blocked: 'refusal',
} as const satisfies Record<PushOutcome['kind'], AttemptOutcome>;

/** One of each stream: its last, and whether it came back on the way there. */
export function latestOf(inOrder: readonly EndpointState[]): readonly EndpointState[] {
  const latest = new Map<StreamId, EndpointState>();
  for (const one of inOrder) {
    const isBack = one.isBack || latest.get(one.streamId)?.isBack === true;
    latest.set(one.streamId, { ...one, isBack });
  }
  return [...latest.values()];
}

/**
 * What follows from how a push went: for its SET, and for when that endpoint is tried again. The stream stays as it is.
 *
 * @see pushRules, RFC 8935 §4
 */
export function createJudgePush({ chance }: { readonly chance: () => number }): JudgePush {
  const breakers = new Map<StreamId, Breaker & { readonly notedAtMs: Millis }>();

  function breakerOf({ streamId, failuresInRow }: ClaimedPush, startedAtMs: Millis): Breaker {
    const known = breakers.get(streamId);
    // Begun after the last word about it: the row knows what others found, and whether somebody mended it.
    const isTold = known === undefined || (failuresInRow === 0 && startedAtMs > known.notedAtMs);
    return isTold ? { ...closedBreaker, failuresInRow } : known;
  }

  function note({ streamId }: ClaimedPush, breaker: Breaker, notedAtMs: Millis): void {
    if (breaker.failuresInRow === 0) breakers.delete(streamId);
    else breakers.set(streamId, { ...breaker, notedAtMs });
  }

  return (claim, outcome, { startedAtMs, nowMs }) => {
    const { id, fence, streamId, attempts, firstSentAtMs = startedAtMs } = claim;
    const told = toldByKind[outcome.kind];
    const before = breakerOf(claim, startedAtMs);
    const isFirst = attempts === 1;
    const after = noteAttempt(before, { outcome: told, isFirst, startedAtMs, nowMs });
    note(claim, after, nowMs);
    const trying = goOnTrying(claim.trying, nowMs);
    const { failuresInRow, blockedUntilMs } = after;
    const isBack = failuresInRow === 0 && before.failuresInRow >= failuresUntilTrial;
    const endpoint: EndpointState = { streamId, failuresInRow, blockedUntilMs, isBack, trying };
    const isNews = told !== 'answer' || before.failuresInRow > 0 || claim.failuresInRow > 0;
    const settled = (settlement: Settlement) => ({ settlement, ...(isNews ? { endpoint } : {}) });
    const comesAgain = (answer: PushAnswer, retryAfterMs = 0) => {
      const ageMs = nowMs - Math.max(firstSentAtMs, trying.sinceMs);
      const plan = planRetry({ attempts, ageMs, retryAfterMs, chance: chance() });
      if (plan.kind === 'give-up') return settled({ id, fence, state: 'dead', answer });
      return settled({ id, fence, state: 'retry', answer, dueAtMs: nowMs + plan.waitMs });
    };
    if (outcome.kind === 'delivered') {
      const answer = outcome.status === 202 ? {} : { answer: { status: outcome.status } };
      return settled({ id, fence, state: 'delivered', ...answer });
    }
    if (outcome.kind === 'rejected') return settled({ id, fence, state: 'dead', answer: outcome.answer });
    return comesAgain(outcome.answer, outcome.kind === 'retry' ? outcome.retryAfterMs : undefined);
  };
}

import type { RefusalReport, SightingReport } from '../core/feed.ts';
import type { Millis } from '../core/vocabulary.ts';
import { callOwner } from './callbacks.ts';
import type { Denied } from './enforcer-answers.ts';
import type { Clock, FeedClient } from './feed-types.ts';
import type { Refusal } from './refusal.ts';
import type { VerifiedToken } from './token.ts';

/** Tells the hub whom we saw, whom we refused, and for each revocation the first request that it stopped. */
export type Teller = {
  readonly refused: (refusal: Refusal, denied: Denied) => void;
  /** Counted here, told by `flush`: one of a thousand requests of one token costs next to nothing. */
  readonly admitted: (token: VerifiedToken) => void;
  readonly flush: () => void;
};

type Seen = { readonly firstMs: Millis; lastMs: Millis; count: number };
/** Different tokens seen between two flushes; the next one flushes. */
const tokensSeenMax = 1_000;

export function createTeller(options: {
  readonly feed: Pick<FeedClient, 'denied' | 'report' | 'sight'>;
  readonly clock: Clock;
  readonly onRefusal: ((refusal: Refusal) => void) | undefined;
  /** `onRefusal` threw. */
  readonly onThrow: (cause: unknown) => void;
}): Teller {
  const { feed, clock } = options;
  const seen = new Map<VerifiedToken, Seen>();

  function flush(): void {
    for (const [token, times] of seen) feed.sight(sightingOf(token, times));
    seen.clear();
  }

  return {
    refused(refusal, denied) {
      const { verdict, token, reason } = denied;
      if (verdict && reason.code === 'revoked') {
        feed.denied(verdict.demands.entries.filter(({ effect }) => effect === 'deny'));
      }
      if (token) feed.report(refusalReport(refusal, denied, token, clock.nowMs()));
      callOwner(() => options.onRefusal?.(refusal), options.onThrow);
    },
    admitted(token) {
      const nowMs = clock.nowMs();
      const times = seen.get(token);
      if (times) {
        times.lastMs = nowMs;
        times.count += 1;
        return;
      }
      if (seen.size >= tokensSeenMax) flush();
      seen.set(token, { firstMs: nowMs, lastMs: nowMs, count: 1 });
    },
    flush,
  };
}

function refusalReport(
  refusal: Refusal,
  { reason, address }: Denied,
  { context }: VerifiedToken,
  atMs: Millis,
): RefusalReport {
  const { iss, sub, client_id: clientId, jti, jkt, token_sha256: tokenSha256 } = context;
  const { presentedJkt } = reason;
  return {
    at_ms: atMs,
    code: refusal.code,
    decision_id: refusal.decisionId,
    iss,
    count: 1,
    ...(presentedJkt !== undefined && { theft: true, presented_jkt: presentedJkt }),
    ...(sub !== undefined && { sub }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(jti !== undefined && { jti }),
    ...(tokenSha256 !== undefined && { token_sha256: tokenSha256 }),
    ...(jkt !== undefined && { bound_jkt: jkt }),
    ...(address !== undefined && { address }),
    ...(refusal.revocationId !== undefined && { revocation_id: refusal.revocationId }),
  };
}

function sightingOf({ context }: VerifiedToken, { firstMs, lastMs, count }: Seen): SightingReport {
  const { iss, sub, client_id: clientId, jkt, act } = context;
  return {
    first_at_ms: firstMs,
    last_at_ms: lastMs,
    count,
    iss,
    ...(sub !== undefined && { sub }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(jkt !== undefined && { jkt }),
    ...(act && { act }),
  };
}

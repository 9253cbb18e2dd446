import { verificationDeadlineMs } from '../core/upstream-health.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { Binding, Upstream } from './ports.ts';

export type VerificationPlan =
  /** `missing`: what was asked for before did not come in time. */
  { readonly kind: 'ask'; readonly missing: boolean } | { readonly kind: 'wait'; readonly untilMs: Millis };

/**
 * When the stream is asked for a verification event: at first, when one did not come in time, when asking failed, every
 * `verifyEverySeconds`, or now if somebody wants it; never more often than the Transmitter allows.
 *
 * @see SSF 1.0 §8.1.1 `min_verification_interval`, §8.1.4.2
 */
export function planVerification(
  { settings, verification, failure }: Pick<Upstream, 'settings' | 'verification' | 'failure'>,
  { minVerificationSeconds = 0 }: Pick<Binding, 'minVerificationSeconds'>,
  { nowMs, isWanted }: { readonly nowMs: Millis; readonly isWanted: boolean },
): VerificationPlan {
  const { requestedAtMs, verifiedAtMs } = verification;
  // When it came, it was asked for before that.
  const lastAskedMs = requestedAtMs ?? verifiedAtMs;
  const allowedAtMs = lastAskedMs === undefined ? 0 : lastAskedMs + minVerificationSeconds * 1_000;
  const askingFailed = failure?.step === 'verify' && failure.isSilence !== true;
  const overdueAtMs = requestedAtMs === undefined ? Infinity : requestedAtMs + verificationDeadlineMs;
  const againAtMs = (verifiedAtMs ?? Infinity) + settings.verifyEverySeconds * 1_000;
  const isFirst = isWanted || askingFailed || lastAskedMs === undefined;
  const dueAtMs = isFirst ? 0 : requestedAtMs === undefined ? againAtMs : overdueAtMs;
  const atMs = Math.max(allowedAtMs, dueAtMs);
  if (atMs > nowMs) return { kind: 'wait', untilMs: atMs };
  return { kind: 'ask', missing: !askingFailed && nowMs >= overdueAtMs };
}

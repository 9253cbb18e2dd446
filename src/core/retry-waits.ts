import type { Millis } from './vocabulary.ts';

/** How patient the hub is with one delivery. */
export type RetryLimits = {
  /** The first wait is anything up to this, so half of it on average; each further one may be twice as long … */
  readonly firstWaitMsMax: number;
  /** … up to this. */
  readonly waitMsMax: number;
  readonly waitMsMin: number;
  /** A Receiver may ask for so much. */
  readonly retryAfterMsMax: number;
  /** What was tried for so long is given up after an attempt that failed. */
  readonly ageMsMax: number;
  /** An endpoint that nobody tried for longer is tried anew. Longer than any wait. */
  readonly breakMsMax: number;
  /** So many attempts, whatever their age. */
  readonly attemptsMax: number;
};

export const retryLimits: RetryLimits = {
  firstWaitMsMax: 2_000,
  waitMsMax: 10 * 60_000,
  waitMsMin: 100,
  retryAfterMsMax: 60 * 60_000,
  ageMsMax: 24 * 60 * 60_000,
  breakMsMax: 2 * 60 * 60_000,
  attemptsMax: 500,
};

/** For how long an endpoint has been tried, without a break. */
export type Trying = { readonly sinceMs: Millis; readonly lastAtMs: Millis };

/**
 * With one more attempt. A pause of the stream and an outage of our own are no time in which a Receiver was tried.
 */
export function goOnTrying(
  { sinceMs, lastAtMs }: Trying,
  nowMs: Millis,
  limits: Pick<RetryLimits, 'breakMsMax'> = retryLimits,
): Trying {
  return { sinceMs: nowMs - lastAtMs > limits.breakMsMax ? nowMs : sinceMs, lastAtMs: nowMs };
}

export type RetryPlan =
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'give-up'; readonly because: 'age' | 'attempts' };

/**
 * What follows an attempt that may succeed later: exponential backoff with full jitter, but never sooner than the
 * Receiver asked for. `attempts` have been made, this one included, and the delivery has been tried for `ageMs`; `chance`
 * is a random number from 0 up to 1.
 *
 * @see PUSH-21, PUSH-25
 */
export function planRetry(
  {
    attempts,
    ageMs,
    retryAfterMs = 0,
    chance,
  }: {
    readonly attempts: number;
    readonly ageMs: number;
    readonly retryAfterMs?: number;
    readonly chance: number;
  },
  limits: RetryLimits = retryLimits,
): RetryPlan {
  if (attempts >= limits.attemptsMax) return { kind: 'give-up', because: 'attempts' };
  if (ageMs >= limits.ageMsMax) return { kind: 'give-up', because: 'age' };
  const window = Math.min(limits.firstWaitMsMax * 2 ** (attempts - 1), limits.waitMsMax);
  const asked = Math.min(retryAfterMs, limits.retryAfterMsMax);
  return { kind: 'wait', waitMs: Math.ceil(Math.max(chance * window, asked, limits.waitMsMin)) };
}

/**
 * Milliseconds from now that a `Retry-After` asks for, capped. `undefined`: it says nothing that can be read.
 *
 * @see RFC 9110 §10.2.3
 */
export function readRetryAfter(
  value: string | undefined,
  nowMs: Millis,
  waitMsMax: number = retryLimits.retryAfterMsMax,
): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const waitMs = /^[0-9]+$/.test(text) ? Number(text) * 1_000 : parseHttpDate(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), waitMsMax);
}

/** All three forms; that of C has no zone and means GMT. @see RFC 9110 §5.6.7 */
function parseHttpDate(text: string): Millis {
  const isImfOrRfc850 = /^[A-Z][a-z]+, [0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{8} GMT$/.test(text);
  if (isImfOrRfc850) return Date.parse(text);
  const isAsctime = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}$/.test(text);
  return isAsctime ? Date.parse(`${text} GMT`) : Number.NaN;
}

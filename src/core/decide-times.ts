import type { Order } from './decide-order.ts';
import { issuerDefaults, type IssuerSettings } from './issuer.ts';
import { membersOf } from './match-key.ts';
import type { Match, Sanction } from './revocation.ts';
import type { Millis, Seconds } from './vocabulary.ts';

type IssuerTimes = Pick<IssuerSettings, 'max_token_life' | 'skew' | 'longest_session'>;

/** Everything outside the statement and the database that deciding depends on. */
export type World = {
  readonly nowMs: Millis;
  readonly issuers: {
    settings(url: string): IssuerTimes | undefined;
    all(): readonly IssuerTimes[];
  };
  /** It was held and is released, by so many persons or, with none, by the clock. */
  readonly released?: { readonly approvals: number };
};

/**
 * What an order comes to for one match. Nothing when no living token can match: a cut-off older than the oldest of them,
 * or one token that has expired. A disable and a key kill always come to something.
 *
 * @see DESIGN §5
 */
export function sanctionFor(order: Order, match: Match, world: World): Sanction | undefined {
  const times = timesOf(match, world);
  const cutOff =
    order.until === undefined || order.uncut.some((member) => match[member] !== undefined)
      ? undefined
      : Math.ceil(order.until) + times.skew;
  const lapsesAt = lapseOf(order, match, cutOff, times, world);
  if (lapsesAt !== undefined && lapsesAt < world.nowMs / 1_000) return undefined;
  return {
    reach: order.reach,
    effect: order.effect,
    reason: order.reason,
    ...(cutOff !== undefined && { cutOff }),
    ...(cutOff !== undefined && order.compares === 'session' && { cutOffBasis: order.compares }),
    ...(lapsesAt !== undefined && { lapsesAt }),
    ...(order.stepUp && { stepUp: order.stepUp }),
    ...(order.restrict && { restrict: order.restrict }),
  };
}

/** The issuer's own, or the widest there are where a match holds at any issuer. */
function timesOf(match: Match, world: World): IssuerTimes {
  if (match.iss !== undefined) return world.issuers.settings(match.iss) ?? issuerDefaults;
  const all = [issuerDefaults, ...world.issuers.all()];
  return {
    max_token_life: Math.max(...all.map((times) => times.max_token_life)),
    skew: Math.max(...all.map((times) => times.skew)),
    longest_session: Math.max(...all.map((times) => times.longest_session)),
  };
}

/**
 * When the entry can match no living token any more. What is compared with the start of the session goes on mattering
 * while that session can still be refreshed, and one token's life beyond.
 */
function lapseOf(
  order: Order,
  match: Match,
  cutOff: Seconds | undefined,
  times: IssuerTimes,
  world: World,
): Seconds | undefined {
  const life = times.max_token_life + times.skew;
  const session = life + times.longest_session;
  const from = Math.ceil(order.asOf);
  switch (order.lapse) {
    case 'never':
      return undefined;
    case 'life':
      return from + life;
    case 'session':
      return from + session;
    case 'natural':
      break;
  }
  if (cutOff !== undefined) return cutOff + (order.compares === 'session' ? session : life);
  const now = Math.ceil(world.nowMs / 1_000);
  if (match.jti !== undefined || match.token_sha256 !== undefined) {
    return order.exp === undefined ? now + life : Math.ceil(Math.min(order.exp, now + life)) + times.skew;
  }
  return match.sid !== undefined ? now + session : undefined;
}

/** Names a token or a session: less than a principal. */
export const isNarrow = (match: Match): boolean =>
  match.jti !== undefined || match.sid !== undefined || match.token_sha256 !== undefined;

/** Names a key and nobody who holds it. */
export const isKeyAlone = (match: Match): boolean =>
  membersOf(match).every((member) => member === 'jkt' || member === 'x5t#S256' || member === 'iss') &&
  (match.jkt !== undefined || match['x5t#S256'] !== undefined);

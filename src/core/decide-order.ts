import { findEventType } from './events/event-types.ts';
import { type Reaction, reactionTo } from './reactions.ts';
import type { CutOffBasis, Effect, MatchMember, Reach, Restrict, StepUp } from './revocation.ts';
import type { Statement } from './signal.ts';
import type { JsonObject, Millis, Seconds } from './vocabulary.ts';

/** What is to be put, before it is known on whom. */
export type Order = {
  readonly effect: Effect;
  readonly reach: Reach;
  /** The second up to which credentials are refused, before skew; absent: whenever issued. */
  readonly until?: Seconds;
  readonly compares: CutOffBasis;
  readonly uncut: readonly MatchMember[];
  readonly lapse: Reaction['lapse'];
  readonly stepUp?: StepUp;
  readonly restrict?: Restrict;
  readonly reason: string;
  readonly family?: string;
  readonly liftAtMs?: Millis;
  /** When the one token that the subject may name expires. */
  readonly exp?: Seconds;
  readonly asOf: Seconds;
};

/** The order of those whom the subject owns and of nobody else: a reduction that a person, or the opposite event, ends. */
export function orderForOwned(order: Order, effect: Effect): Order {
  const { until: _, restrict: __, stepUp: ___, ...rest } = order;
  return {
    ...rest,
    effect,
    reach: reachOf(effect),
    lapse: 'never',
    ...obligationsOf(effect, {}, order.asOf),
  };
}

/** What a reaction orders: by its row, or as the person said who ordered it outright. */
export function orderOf(statement: Statement, reaction: Reaction, nowSeconds: Seconds): Order | undefined {
  if (reaction.effect === 'record' || reaction.effect === 'lift') return undefined;
  const asOf = Math.min(statement.eventTime, nowSeconds);
  const exp = statement.data['exp'];
  const base = {
    compares: reaction.compares,
    uncut: reaction.uncut,
    lapse: reaction.lapse,
    reason: nameOf(statement),
    asOf,
    ...(typeof exp === 'number' && { exp }),
    ...(reaction.family !== undefined && { family: reaction.family }),
  };
  if (reaction.rule === 'revocation-ordered') return { ...base, ...spokenOrder(statement.data, nowSeconds) };
  const { effect, cutOff } = reaction;
  return {
    ...base,
    effect,
    reach: reachOf(effect),
    ...(cutOff !== 'none' && { until: cutOff === 'latest' ? nowSeconds : asOf }),
    ...obligationsOf(effect, {}, asOf),
  };
}

/** Short name where there is one, else the URI. */
const nameOf = (statement: Pick<Statement, 'eventType'>): string =>
  findEventType(statement.eventType)?.name ?? statement.eventType;

/** A denial reaches whoever acts anywhere along the chain; a reduction only who acts now. */
export const reachOf = (effect: Effect): Reach => (effect === 'deny' ? 'chain' : 'actor');

/** What goes with an effect where nothing else was said. */
export function obligationsOf(
  effect: Effect,
  said: { readonly stepUp?: StepUp; readonly restrict?: Restrict },
  asOf: Seconds,
): Pick<Order, 'stepUp' | 'restrict'> {
  if (effect === 'step_up') return { stepUp: { after: Math.floor(asOf), ...said.stepUp } };
  if (effect === 'restrict') return { restrict: said.restrict ?? { read_only: true } };
  return {};
}

/** The data of `revocation-ordered`, valid by its schema. */
type SpokenOrder = {
  readonly effect?: Effect;
  readonly reach?: Reach;
  readonly cut_off?: 'now' | Seconds;
  readonly lift_after_seconds?: Seconds;
  readonly step_up?: StepUp;
  readonly restrict?: Restrict;
};

function spokenOrder(data: JsonObject, nowSeconds: Seconds) {
  const spoken = data as SpokenOrder;
  const effect = spoken.effect ?? 'deny';
  const cutOff = spoken.cut_off === 'now' ? nowSeconds : spoken.cut_off;
  return {
    effect,
    reach: spoken.reach ?? reachOf(effect),
    ...(cutOff !== undefined && { until: Math.min(cutOff, nowSeconds) }),
    ...(spoken.lift_after_seconds !== undefined && {
      liftAtMs: Math.ceil((nowSeconds + spoken.lift_after_seconds) * 1_000),
    }),
    ...obligationsOf(
      effect,
      {
        ...(spoken.step_up && { stepUp: spoken.step_up }),
        ...(spoken.restrict && { restrict: spoken.restrict }),
      },
      nowSeconds,
    ),
  };
}

export const reactionOf = (statement: Statement): Reaction =>
  reactionTo({
    name: nameOf(statement),
    data: statement.data,
    ...(statement.confidence !== undefined && { confidence: statement.confidence }),
  });

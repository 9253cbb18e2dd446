import {
  type CutOffBasis,
  type Effect,
  effects,
  holderMembers,
  type Match,
  matchMembers,
  type Reach,
  type Restrict,
  type StepUp,
} from './revocation.ts';
import { type Hop, hopsOf, type TokenContext } from './token-context.ts';
import type { Seconds } from './vocabulary.ts';

/** What of an entry decides whether it matches. Text comes from a feed that may be newer than this code. */
export type MatchableEntry = {
  readonly match: Match;
  readonly reach: Reach;
  readonly cutOff?: Seconds;
  readonly cutOffBasis?: CutOffBasis;
  readonly lapsesAt?: Seconds;
};

export type CheckableEntry = MatchableEntry & {
  readonly id: string;
  readonly effect: Effect;
  readonly stepUp?: StepUp;
  readonly restrict?: Restrict;
};

/** Everything that the matching entries ask together. */
export type Obligations = {
  /** The intersection; empty means that no scope is left. */
  readonly scope?: string;
  readonly readOnly: boolean;
  readonly deniedTools: readonly string[];
  readonly ratePerMinute?: number;
  readonly stepUps: readonly StepUp[];
  readonly requireNonce: boolean;
};

export type CheckResult = {
  /** The strictest effect of the entries that match. */
  readonly effect: Effect | 'allow';
  /** Ids of the entries that match, in the order given. */
  readonly matched: readonly string[];
  readonly obligations: Obligations;
  /** A token must be issued after this second to be let in; absent: no denial, or one that a new token does not escape. */
  readonly issuedAfter?: Seconds;
};

/** The hops that a reach looks at: `holder` the token itself, `actor` the current actor too, `chain` every actor. */
const hopsWithin = { holder: 1, actor: 2, chain: Number.POSITIVE_INFINITY } as const satisfies Record<
  Reach,
  number
>;

/**
 * The reference: slow, plain, and what every other matcher is compared with.
 *
 * Holder members hold together at one hop that the reach allows; token members hold for the token itself, and where
 * `jti` or `sid` is among them, `iss` is also the token's own. An unknown reach or member never matches: the point
 * that met it says so and does not apply the entry.
 *
 * @see DESIGN §5
 */
export function matches(entry: MatchableEntry, context: TokenContext, nowSeconds: Seconds): boolean {
  if (entry.lapsesAt !== undefined && nowSeconds > entry.lapsesAt) return false;
  return unknownPartOf(entry) === undefined && matchHolds(entry, context) && isWithinCutOff(entry, context);
}

/** What of an entry this code does not understand; such an entry is not applied, and reported. */
export function unknownPartOf(entry: MatchableEntry): string | undefined {
  const members = Object.keys(entry.match);
  if (members.length === 0) return 'empty match';
  const stranger = members.find((name) => !matchMembers.some((member) => member === name));
  if (stranger !== undefined) return `member ${stranger}`;
  return Object.hasOwn(hopsWithin, entry.reach) ? undefined : `reach ${entry.reach}`;
}

/** What all entries that match ask of one token. An effect that is not known is a denial. */
export function check(
  entries: readonly CheckableEntry[],
  context: TokenContext,
  nowSeconds: Seconds,
): CheckResult {
  const matching = entries.filter((entry) => matches(entry, context, nowSeconds));
  const ranks = matching.map(({ effect }) => rankOf(effect));
  const denials = matching.filter(({ effect }) => rankOf(effect) === 0);
  const issuedAfter = cutOffOfAll(denials);
  return {
    effect: effects[Math.min(...ranks)] ?? 'allow',
    matched: matching.map(({ id }) => id),
    obligations: obligationsOf(matching),
    ...(issuedAfter !== undefined && { issuedAfter }),
  };
}

function matchHolds({ match, reach }: MatchableEntry, context: TokenContext): boolean {
  const boundToToken = match.jti !== undefined || match.sid !== undefined;
  if (boundToToken && match.iss !== undefined && match.iss !== context.iss) return false;
  const { jkt, jti, sid, token_sha256, 'x5t#S256': certificate } = match;
  const tokenHolds =
    (jkt === undefined || jkt === context.jkt) &&
    (certificate === undefined || certificate === context['x5t#S256']) &&
    (jti === undefined || jti === context.jti) &&
    (sid === undefined || sid === context.sid) &&
    (token_sha256 === undefined || token_sha256 === context.token_sha256);
  return (
    tokenHolds &&
    hopsOf(context)
      .slice(0, hopsWithin[reach])
      .some((hop) => holderHolds(match, hop))
  );
}

function holderHolds(match: Match, hop: Hop): boolean {
  return holderMembers.every((member) => {
    const wanted = match[member];
    if (wanted === undefined) return true;
    return member === 'workload' ? isWorkloadWithin(hop.workload, wanted) : hop[member] === wanted;
  });
}

/** By whole path segments: `spiffe://td/a/*` holds for `spiffe://td/a/b`, neither for `spiffe://td/a` nor for `spiffe://td/ab`. */
function isWorkloadWithin(workload: string | undefined, wanted: string): boolean {
  if (workload === undefined) return false;
  if (!wanted.endsWith('/*')) return workload === wanted;
  const above = wanted.slice(0, -1);
  return workload.length > above.length && workload.startsWith(above);
}

/** Refused when issued at or before the cut-off; without a time of issue, always. */
function isWithinCutOff({ cutOff, cutOffBasis }: MatchableEntry, context: TokenContext): boolean {
  if (cutOff === undefined) return true;
  const issued = context.iat ?? 0;
  const basis = cutOffBasis === 'session' ? Math.min(issued, context.auth_time ?? issued) : issued;
  return basis <= cutOff;
}

const rankOf = (effect: Effect): number => Math.max(0, effects.indexOf(effect));

/** Only when every denial has one: a token issued later escapes none of the others. */
function cutOffOfAll(denials: readonly CheckableEntry[]): Seconds | undefined {
  const cutOffs = denials.flatMap(({ cutOff }) => cutOff ?? []);
  return denials.length > 0 && cutOffs.length === denials.length ? Math.max(...cutOffs) : undefined;
}

function obligationsOf(entries: readonly CheckableEntry[]): Obligations {
  const restricts = entries.flatMap(({ effect, restrict }) =>
    effect === 'restrict' && restrict ? [restrict] : [],
  );
  const rates = restricts.flatMap(({ rate }) => rate?.per_minute ?? []);
  const scopes = restricts.flatMap(({ scope }) =>
    scope === undefined ? [] : [scope.split(' ').filter(Boolean)],
  );
  const [firstScope, ...otherScopes] = scopes;
  return {
    readOnly: restricts.some(({ read_only }) => read_only === true),
    deniedTools: [...new Set(restricts.flatMap(({ tools }) => tools?.deny ?? []))].toSorted(),
    stepUps: entries.flatMap(({ effect, stepUp }) => (effect === 'step_up' ? [stepUp ?? {}] : [])),
    requireNonce: entries.some(({ effect }) => effect === 'require_nonce'),
    ...(firstScope && {
      scope: firstScope.filter((word) => otherScopes.every((others) => others.includes(word))).join(' '),
    }),
    ...(rates.length > 0 && { ratePerMinute: Math.min(...rates) }),
  };
}

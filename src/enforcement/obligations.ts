import { check, type CheckableEntry, type CheckResult } from '../core/match.ts';
import type { StepUp } from '../core/revocation.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { JsonObject, Seconds } from '../core/vocabulary.ts';
import { type Reason, reason } from './refusal.ts';
import { isJsonObject } from './token-format.ts';

/** What the entries that match ask together, and which they are. */
export type Demands = CheckResult & { readonly entries: readonly CheckableEntry[] };

export const nothingDemanded: Demands = {
  effect: 'allow',
  matched: [],
  entries: [],
  obligations: { readOnly: false, deniedTools: [], stepUps: [], requireNonce: false },
};

/** `entries` match already. One whose obligations have a shape that cannot be honoured is enforced as a denial. */
export function demandsOf(entries: readonly CheckableEntry[], context: TokenContext, now: Seconds): Demands {
  if (entries.length === 0) return nothingDemanded;
  const enforceable = entries.map((entry) =>
    isHonourable(entry) ? entry : { ...entry, effect: 'deny' as const },
  );
  return { ...check(enforceable, context, now), entries: enforceable };
}

/** The refusal of a token that an entry denies. A new token helps if every denial has a cut-off or names one token or session. */
export function revokedBy({ effect, entries, issuedAfter }: Demands): Reason | undefined {
  if (effect !== 'deny') return undefined;
  const denials = entries.filter((entry) => entry.effect === 'deny');
  const escapable = denials.every(({ cutOff, match }) => cutOff !== undefined || isOneCredential(match));
  const [first] = denials;
  return reason('revoked', {
    ...(first && { revocationId: first.id }),
    ...(issuedAfter !== undefined && { issuedAfter }),
    ...(!escapable && {
      retry: 'never',
      text: 'This agent, subject or key is revoked; a new token does not help.',
    }),
  });
}

/**
 * The challenge for the first step-up that the token does not satisfy. `max_age` reaches back to the moment asked for
 * and is never 0, which no new login could ever satisfy.
 *
 * @see RFC 9470 §3, §6
 */
export function unmetStepUp(
  { obligations, entries }: Demands,
  token: { readonly context: TokenContext; readonly acr: string | undefined },
  now: Seconds,
): Reason | undefined {
  const unmet = obligations.stepUps.find((stepUp) => !isSatisfied(stepUp, token));
  if (!unmet) return undefined;
  const { after, acr_values: acrValues } = unmet;
  const entry = entries.find(({ effect, stepUp }) => effect === 'step_up' && (stepUp ?? unmet) === unmet);
  return reason('step-up-required', {
    ...(entry && { revocationId: entry.id }),
    ...(acrValues && { acrValues }),
    ...(after !== undefined && { issuedAfter: after, maxAge: Math.max(1, Math.floor(now - after)) }),
  });
}

/** A token without `auth_time` was asked for by no person: then its time of issue counts. */
function isSatisfied(
  { after, acr_values: acrValues }: StepUp,
  { context, acr }: { readonly context: TokenContext; readonly acr: string | undefined },
): boolean {
  if (after === undefined && acrValues === undefined) return false;
  if (acrValues !== undefined && (acr === undefined || !acrValues.includes(acr))) return false;
  if (after === undefined) return true;
  return context.auth_time === undefined ? (context.iat ?? 0) > after : context.auth_time >= after;
}

const isOneCredential = (match: CheckableEntry['match']): boolean =>
  (['jti', 'sid', 'token_sha256'] as const).some((member) => match[member] !== undefined);

/**
 * Entries come over the wire: their obligations are objects, and that is all that is known of them. What asks for
 * something that is not understood, or for nothing at all, would let everything pass and be called applied.
 */
function isHonourable({ effect, restrict, stepUp }: CheckableEntry): boolean {
  if (effect === 'restrict') return hasSome(restrict, restrictMembers);
  return effect !== 'step_up' || stepUp === undefined || hasOnly(stepUp, stepUpMembers);
}

type Members = ReadonlyMap<string, (value: unknown) => boolean>;

const isText = (value: unknown): boolean => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isNumber = (value: unknown): value is number => Number.isFinite(value);

const toolsMembers: Members = new Map([['deny', isTexts]]);
const rateMembers: Members = new Map([['per_minute', (value) => isNumber(value) && value > 0]]);
/** What the members are called and what makes sense as their value, all of which is enforced. */
const restrictMembers: Members = new Map([
  ['scope', isText],
  ['read_only', (value) => typeof value === 'boolean'],
  ['tools', (value) => hasSome(value, toolsMembers)],
  ['rate', (value) => hasSome(value, rateMembers)],
]);
const stepUpMembers: Members = new Map([
  ['after', isNumber],
  ['acr_values', isTexts],
]);

const hasOnly = (value: unknown, members: Members): value is JsonObject =>
  isJsonObject(value) && Object.entries(value).every(([name, held]) => members.get(name)?.(held) === true);

const hasSome = (value: unknown, members: Members): boolean =>
  hasOnly(value, members) && Object.keys(value).length > 0;

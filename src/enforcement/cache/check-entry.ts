import { entryVersion, parseCursor, type FeedEntry, type PutEntry } from '../../core/feed.ts';
import { effects, matchMembers, reaches } from '../../core/revocation.ts';
import type { Json } from '../../core/vocabulary.ts';
import { isShallow } from '../token-format.ts';

/** UTF-16 code units of all values of one `match`. */
export const matchUnitsMax = 16_384;
const obligationUnitsMax = 8_192;
export const textUnitsMax = 512;
export const entryDepthMax = 16;

/**
 * The least that makes a JSON value an entry: an operation, an id, a position, and no more depth than can be walked. What
 * a put says beyond that is looked at by `whyNotApplied`, so that it counts in the digest whether or not it is understood.
 */
export function asFeedEntry(json: unknown): FeedEntry | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { op, id, position } = json as { readonly [member: string]: Json };
  if (op !== 'put' && op !== 'lift' && op !== 'drop') return undefined;
  if (typeof id !== 'string' || id === '' || id.length > textUnitsMax) return undefined;
  if (typeof position !== 'string' || position === '' || position.length > textUnitsMax) return undefined;
  return isShallow(json as Json, entryDepthMax) ? (json as FeedEntry) : undefined;
}

/** An effect that is not known is enforced as the strictest. */
export const isKnownEffect = (effect: string): boolean => (effects as readonly string[]).includes(effect);

/** Why an entry cannot be enforced as it is meant; `undefined` when it can. The first row that fails is the reason. */
export function whyNotApplied(entry: PutEntry): string | undefined {
  for (const { fails, why } of checks) if (fails(entry)) return why(entry);
  return undefined;
}

type Check = { readonly fails: (entry: PutEntry) => boolean; readonly why: (entry: PutEntry) => string };

const checks: readonly Check[] = [
  { fails: ({ v }) => v !== entryVersion, why: ({ v }) => `unknown version ${clipped(v)}` },
  {
    fails: ({ position }) => !isPosition(position),
    why: ({ position }) => `position ${clipped(position)} makes no sense`,
  },
  { fails: ({ match }) => !isRecord(match), why: () => 'match is not an object' },
  { fails: ({ match }) => Object.keys(match).length === 0, why: () => 'match is empty' },
  {
    fails: ({ match }) => unknownMember(match) !== undefined,
    why: ({ match }) => `unknown match member ${clipped(unknownMember(match))}`,
  },
  { fails: ({ match }) => !areValues(match), why: () => 'match is no short text' },
  {
    fails: ({ reach }) => !(reaches as readonly string[]).includes(reach),
    why: ({ reach }) => `unknown reach ${clipped(reach)}`,
  },
  { fails: ({ effect }) => typeof effect !== 'string', why: () => 'effect is not text' },
  {
    fails: ({ cut_off, lapses_at, committed_at_ms }) =>
      !isWhole(cut_off) || !isWhole(lapses_at) || !Number.isSafeInteger(committed_at_ms),
    why: () => 'a time is not a whole number',
  },
  {
    fails: ({ cut_off_basis: basis }) => basis !== undefined && basis !== 'issued' && basis !== 'session',
    why: ({ cut_off_basis: basis }) => `unknown cut_off_basis ${clipped(basis)}`,
  },
  {
    fails: ({ step_up, restrict }) => !isObligation(step_up) || !isObligation(restrict),
    why: () => 'step_up or restrict is not a small object',
  },
  {
    fails: ({ reason, signal_id, agent }) =>
      !isShort(reason) || !isShort(signal_id) || (agent !== undefined && !isShort(agent)),
    why: () => 'reason, signal_id or agent is no short text',
  },
];

/** Far from the edge of exact integers, so that differences of times are exact too. */
const wholeMax = 2 ** 50;
export const isWhole = (value: unknown): boolean =>
  value === undefined || (Number.isInteger(value) && Math.abs(Number(value)) <= wholeMax);
const isRecord = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
function areValues(match: object): boolean {
  let units = 0;
  for (const value of Object.values(match) as readonly unknown[]) {
    if (typeof value !== 'string') return false;
    units += value.length;
  }
  return units <= matchUnitsMax;
}
function isPosition(text: string): boolean {
  const cursor = parseCursor(text);
  return cursor !== undefined && cursor.check === undefined;
}
const isShort = (value: unknown): boolean => typeof value === 'string' && value.length <= textUnitsMax;
export const isObligation = (value: unknown): boolean =>
  value === undefined || (isRecord(value) && JSON.stringify(value).length <= obligationUnitsMax);
const unknownMember = (match: object): string | undefined =>
  Object.keys(match).find((member) => !(matchMembers as readonly string[]).includes(member));
const clipped = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80);

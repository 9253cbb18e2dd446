import type { Order } from './decide-order.ts';
import { sanctionFor, type World } from './decide-times.ts';
import type { Memory, PlannedPut, RestOfEntry } from './decision.ts';
import type { Effect, Revocation } from './revocation.ts';
import { effects } from './revocation.ts';
import type { Source } from './source.ts';
import type { RevocationId, StandingKillId } from './vocabulary.ts';

/** What ends, and what must be left behind. */
export type Lift = {
  readonly lifts: readonly RevocationId[];
  readonly puts: readonly PlannedPut[];
  /** What other signals put of entries that end: it stands on. */
  readonly rests: readonly RestOfEntry[];
  readonly standingEnds: readonly StandingKillId[];
};

const leftBehind = 'revocation-lifted';

/** It stands where a lifted denial stood, and keeps the tokens from before from living again. */
export const isLeftBehind = ({ reason }: Pick<Revocation, 'reason'>): boolean => reason === leftBehind;

/** Ends entries; a disable among them leaves a cut-off behind, or tokens stolen before would come back to life. */
export function liftEntries(
  entries: readonly Revocation[],
  standingEnds: readonly StandingKillId[],
  world: World,
  { restoreTokens = false, undone }: { readonly restoreTokens?: boolean; readonly undone?: string } = {},
): Lift {
  return {
    lifts: entries.map(({ id }) => id),
    standingEnds,
    rests: undone === undefined ? [] : entries.flatMap((entry) => restOf(entry, undone, world) ?? []),
    puts: restoreTokens ? [] : entries.flatMap((entry) => cutOffInsteadOf(entry, world) ?? []),
  };
}

/** Of what an order to lift names: a source that speaks for some issuers only lets nobody of others back in. */
export function liftableBy({ subjectIssuers }: Source, { named, namedStanding }: Memory) {
  const isOwn = (issuers: readonly (string | undefined)[] | undefined): boolean =>
    subjectIssuers === undefined ||
    (issuers !== undefined && issuers.every((iss) => iss !== undefined && subjectIssuers.includes(iss)));
  const entries = named.filter(({ match }) => isOwn([match.iss]));
  const standing = namedStanding.filter(({ issuers }) => isOwn(issuers));
  return {
    named: entries,
    standing: standing.map(({ id }) => id),
    isWhole: entries.length === named.length && standing.length === namedStanding.length,
  };
}

/** The entry as it would stand if that one signal had never moved it; nothing when nobody else put it, or it has lapsed. */
function restOf(entry: Revocation, undone: string, { nowMs }: World): RestOfEntry | undefined {
  const { id: _, shares = [], ...whole } = entry;
  const others = shares.filter(({ signalId, settled }) => settled || signalId !== undone);
  if (entry.signalId !== undone) return { ...whole, shares: others };
  const [furthest] = others.toSorted((a, b) => b.cutOff - a.cutOff);
  if (furthest === undefined) return undefined;
  if (furthest.lapsesAt !== undefined && furthest.lapsesAt * 1_000 < nowMs) return undefined;
  const { lapsesAt: __, agent: ___, standingId: ____, ...common } = whole;
  const { settled, ...share } = furthest;
  return { ...common, ...share, shares: settled ? others : others.filter((other) => other !== furthest) };
}

/** The family's entries that a milder level ends. */
export const strongerThan = (effect: Effect, memory: Memory): readonly Revocation[] =>
  memory.familyEntries.filter((entry) => effects.indexOf(entry.effect) < effects.indexOf(effect));

/** What names one token has no later tokens to let in: lifting it restores that token, which is what was asked. */
function cutOffInsteadOf(entry: Revocation, world: World): PlannedPut | undefined {
  const isDisable = entry.effect === 'deny' && entry.cutOff === undefined;
  if (!isDisable || entry.match.jti !== undefined || entry.match.token_sha256 !== undefined) return undefined;
  const now = world.nowMs / 1_000;
  const order: Order = {
    effect: 'deny',
    reach: entry.reach,
    until: now,
    compares: 'issued',
    uncut: [],
    lapse: 'natural',
    reason: leftBehind,
    asOf: now,
  };
  const sanction = sanctionFor(order, entry.match, world);
  return (
    sanction && { ...sanction, match: entry.match, ...(entry.agent !== undefined && { agent: entry.agent }) }
  );
}

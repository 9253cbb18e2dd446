import { createHash } from 'node:crypto';
import { isLeftBehind } from '../core/decide-lift.ts';
import type { PlannedStanding } from '../core/decision.ts';
import { matchKey } from '../core/match-key.ts';
import type { Revocation } from '../core/revocation.ts';

/**
 * Entries of one source with the same key and a cut-off are one entry that moves forward (DESIGN §5): equal in match,
 * reach, effect, basis and obligations. Equal, too, in who may end them: an entry that a lower risk level or another
 * subject's event lifts must not carry a denial that those do not end, nor one person lift what a lift left behind.
 */
export function mergeKey(entry: Omit<Revocation, 'id' | 'signalId' | 'sourceId'>): Uint8Array {
  return digest([
    matchKey(entry.match),
    entry.reach,
    entry.effect,
    entry.cutOffBasis,
    sorted(entry.stepUp),
    sorted(entry.restrict),
    entry.family === undefined ? undefined : [entry.family, entry.subjectKey],
    isLeftBehind(entry),
  ]);
}

/** The same for standing kills, which have an agent or an identifier instead of a match. */
export function standingMergeKey(standing: PlannedStanding): Uint8Array {
  const { template } = standing;
  return digest([
    'agent' in standing ? ['agent', standing.agent] : ['identifier', standing.identifier],
    template.reach,
    template.effect,
    template.cutOffBasis,
    sorted(template.stepUp),
    sorted(template.restrict),
    template.lineage,
    template.within && matchKey(template.within),
    template.issuers,
    template.family === undefined ? undefined : [template.family, template.subjectKey],
  ]);
}

function digest(parts: readonly unknown[]): Uint8Array {
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

/** Obligations are equal whatever the order of their members. */
function sorted(obligation: object | undefined): unknown {
  if (obligation === undefined) return undefined;
  return Object.entries(obligation)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]: readonly [string, unknown]) => [name, value]);
}

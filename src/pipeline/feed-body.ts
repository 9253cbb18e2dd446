import { entryVersion, type PutEntry, type RemoveEntry } from '../core/feed.ts';
import type { Revocation } from '../core/revocation.ts';

type OnceServed = 'position' | 'committed_at_ms';

/** A put as the feed log keeps it: position and time are added when it is served. */
export function putBody(entry: Revocation): string {
  const body: Omit<PutEntry, OnceServed> = {
    v: entryVersion,
    op: 'put',
    id: entry.id,
    match: entry.match,
    reach: entry.reach,
    effect: entry.effect,
    ...(entry.cutOff === undefined ? {} : { cut_off: entry.cutOff }),
    ...(entry.cutOffBasis === undefined ? {} : { cut_off_basis: entry.cutOffBasis }),
    ...(entry.lapsesAt === undefined ? {} : { lapses_at: entry.lapsesAt }),
    ...(entry.stepUp === undefined ? {} : { step_up: entry.stepUp }),
    ...(entry.restrict === undefined ? {} : { restrict: entry.restrict }),
    reason: entry.reason,
    signal_id: entry.signalId,
    ...(entry.agent === undefined ? {} : { agent: entry.agent }),
  };
  return JSON.stringify(body);
}

/** The end of an entry as the feed log keeps it. */
export function removeBody(op: RemoveEntry['op'], id: string): string {
  const body: Omit<RemoveEntry, OnceServed> = { v: entryVersion, op, id };
  return JSON.stringify(body);
}

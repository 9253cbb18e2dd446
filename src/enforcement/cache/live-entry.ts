import type { PutEntry } from '../../core/feed.ts';
import type { CheckableEntry } from '../../core/match.ts';
import { isKnownEffect } from './check-entry.ts';

/** An entry as matching and deciding take it. An effect that is not known denies. */
export type LiveEntry = CheckableEntry & {
  readonly position: string;
  readonly reason: string;
  readonly signalId: string;
  readonly agent?: string;
};

export const toLiveEntry = (entry: PutEntry): LiveEntry => ({
  id: entry.id,
  position: entry.position,
  match: entry.match,
  reach: entry.reach,
  effect: isKnownEffect(entry.effect) ? entry.effect : 'deny',
  ...(entry.cut_off !== undefined && { cutOff: entry.cut_off }),
  ...(entry.cut_off_basis !== undefined && { cutOffBasis: entry.cut_off_basis }),
  ...(entry.lapses_at !== undefined && { lapsesAt: entry.lapses_at }),
  ...(entry.step_up !== undefined && { stepUp: entry.step_up }),
  ...(entry.restrict !== undefined && { restrict: entry.restrict }),
  reason: entry.reason,
  signalId: entry.signal_id,
  ...(entry.agent !== undefined && { agent: entry.agent }),
});

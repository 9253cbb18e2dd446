import type { HandledRevocation } from '../../core/handled-signal.ts';
import type { Revocation } from '../../core/revocation.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { putBody, removeBody } from '../../pipeline/feed-body.ts';
import type { Statements } from './database.ts';
import { appendFeed, type FeedPlace } from './feed-append.ts';
import { foldMerging, putRevocations, type PutRevocation } from './revocation-writes.ts';

export type WrittenPut = PutRevocation & FeedPlace;

/**
 * Puts entries and tells the feed, which hears of the ends last: what a lift leaves behind is in force before the lift.
 * In the database the ends came first, so that nothing merges with an entry that has just ended.
 *
 * @returns the entry that stands for each one given, and where the ends stand.
 */
export async function writeEntries(
  tx: Statements,
  change: { readonly endedIds: readonly string[]; readonly puts: readonly Revocation[] },
  nowMs: Millis,
): Promise<{ readonly puts: readonly WrittenPut[]; readonly ends: ReadonlyMap<string, FeedPlace> }> {
  const { folded, standsFor } = foldMerging(change.puts);
  const puts = await putRevocations(tx, folded, nowMs);
  const places = await appendFeed(tx, [
    ...puts
      .filter(({ coveredAt }) => coveredAt === undefined)
      .map(({ entry }) => ({ op: 'put' as const, id: entry.id, body: putBody(entry) })),
    ...change.endedIds.map((id) => ({ op: 'lift' as const, id, body: removeBody('lift', id) })),
  ]);
  const written = puts.map((put) => ({ ...put, ...placeFrom(put.coveredAt ?? places.get(put.entry.id)) }));
  return {
    puts: standsFor.map((index, nth) => {
      const put = written[index];
      if (put === undefined) throw new Error('a folded entry was not put');
      return { ...put, merged: put.merged || put.entry.id !== change.puts[nth]?.id };
    }),
    ends: places,
  };
}

export const handledRevocation = ({
  entry,
  position,
  committedAtMs,
  merged,
}: WrittenPut): HandledRevocation => ({
  id: entry.id,
  position,
  match: entry.match,
  effect: entry.effect,
  ...(entry.cutOff === undefined ? {} : { cutOff: entry.cutOff }),
  ...(entry.lapsesAt === undefined ? {} : { lapsesAt: entry.lapsesAt }),
  ...(entry.agent === undefined ? {} : { agent: entry.agent }),
  committedAtMs,
  merged,
});

function placeFrom(place: FeedPlace | undefined): FeedPlace {
  if (place === undefined) throw new Error('an entry has no place in the feed');
  return place;
}

import type { HandledRevocation } from '../../core/handled-signal.ts';
import type { Revocation } from '../../core/revocation.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { putBody, removeBody } from '../../pipeline/feed-body.ts';
import { foldMerging, moveForward, reachesFurther, type FoldedEntry } from '../../pipeline/merge-entries.ts';
import type { Statements } from './database.ts';
import { lockFeed, type FeedEnd, type FeedPlace } from './feed-append.ts';
import {
  endRevocations,
  insertRevocations,
  moveRevocations,
  readMergeable,
  type EndedRevocation,
  type Ending,
  type PlacedEntry,
  type StandingEntry,
} from './revocation-writes.ts';
import { together } from './together.ts';

export type Change = {
  readonly endings: readonly Ending[];
  readonly endTo: 'lifted' | 'dropped';
  readonly puts: readonly Revocation[];
};

/** What a change comes to, with every place in the feed. Only the ends are written yet. */
export type PlacedChange = {
  /** The entry that stands for each one put. */
  readonly puts: readonly WrittenPut[];
  readonly ended: readonly (EndedRevocation & FeedPlace)[];
  /** Writes entries and feed. */
  write(): Promise<void>;
};

export type WrittenPut = FeedPlace & {
  readonly entry: Revocation;
  /** An earlier entry was moved forward, or reached further already: `entry.id` is its id. */
  readonly merged: boolean;
};

/**
 * Decides where a change stands in the feed, which hears of the ends last: what a lift leaves behind is in force before
 * the lift. In the database the ends come first, so that nothing merges with an entry that has just ended.
 */
export async function placeChange(tx: Statements, change: Change, nowMs: Millis): Promise<PlacedChange> {
  const { folded, standsFor } = foldMerging(change.puts);
  const [end, mergeable] = await together([lockFeed(tx), readMergeable(tx, folded)]);
  const ended = await endRevocations(tx, change.endings, { state: change.endTo, atMs: nowMs });
  const endedIds = new Set<string>(ended.map(({ id }) => id));
  const placed = folded.map((one) => {
    const standing = one.mergesBy === undefined ? undefined : mergeable.get(one.mergesBy);
    return placePut(end, one, standing && !endedIds.has(standing.entry.id) ? standing : undefined);
  });
  const op = change.endTo === 'lifted' ? 'lift' : 'drop';
  const ends = ended.map((one) => ({
    ...one,
    ...end.append({ op, id: one.id, body: removeBody(op, one.id), stoodAt: one.stoodAt }),
  }));
  return {
    puts: standsFor.map((index, nth) => writtenPut(placed[index], change.puts[nth])),
    ended: ends,
    async write() {
      await together([
        insertRevocations(
          tx,
          placed.filter(({ merged }) => !merged),
          nowMs,
        ),
        moveRevocations(
          tx,
          placed.filter(({ merged }) => merged),
        ),
        end.write(tx),
      ]);
    },
  };
}

type PlacedPut = PlacedEntry & { readonly merged: boolean };

function placePut(
  end: FeedEnd,
  { entry: asked, key }: FoldedEntry,
  standing: StandingEntry | undefined,
): PlacedPut {
  const entry = standing === undefined ? asked : moveForward(standing.entry, asked);
  const merged = standing !== undefined;
  if (standing !== undefined && reachesFurther(standing.entry, asked)) {
    return { entry, key, merged, place: standing.place };
  }
  const stoodAt = standing?.place;
  const place = end.append({
    op: 'put',
    id: entry.id,
    body: putBody(entry),
    ...(stoodAt === undefined ? {} : { stoodAt }),
  });
  return { entry, key, merged, place };
}

function writtenPut(placed: PlacedPut | undefined, asked: Revocation | undefined): WrittenPut {
  if (placed === undefined) throw new Error('a folded entry has no place');
  const { entry, place, merged } = placed;
  return { ...place, entry, merged: merged || entry.id !== asked?.id };
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

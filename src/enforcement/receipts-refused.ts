import { type Cursor, parseCursor } from '../core/feed.ts';
import type { RevocationCache, Refused } from './cache.ts';

/**
 * Which entries that could not be applied a receipt names, and up to where it may then say that everything is in
 * force: no further than to the first one that the hub has not been told of, for what is not refused counts as applied.
 */
export type RefusedToTell = {
  readonly next: () => {
    readonly refused: readonly Refused[];
    readonly applied: Cursor | undefined;
    /** More wait for the next receipt. */
    readonly hasMore: boolean;
  };
  /** The receipt with these was heard. */
  readonly heard: (ids: readonly string[]) => void;
};

export function createRefusedToTell(
  cache: Pick<RevocationCache, 'refused' | 'position'>,
  listedMax: number,
): RefusedToTell {
  /** The one that was told longest ago first: should the hub have lost it, it hears of it again. */
  let told = new Set<string>();
  return {
    next() {
      const untold: Refused[] = [];
      const again = new Map<string, Refused>();
      for (const refused of cache.refused()) {
        if (told.has(refused.id)) again.set(refused.id, refused);
        else untold.push(refused);
      }
      told = new Set([...told].filter((id) => again.has(id)));
      untold.sort((some, other) => seqOf(some) - seqOf(other));
      const [first] = untold.slice(listedMax);
      const repeated = [...told].flatMap((id) => again.get(id) ?? []);
      return {
        refused: [...untold, ...repeated].slice(0, listedMax),
        applied: first ? before(cache.position, first) : cache.position,
        hasMore: first !== undefined,
      };
    },
    heard(ids) {
      for (const id of ids) {
        told.delete(id);
        told.add(id);
      }
    },
  };
}

/** One whose position makes no sense comes first: nothing can be said to be before it. */
const seqOf = ({ position }: Refused): number => parseCursor(position)?.seq ?? 0;

function before(position: Cursor | undefined, refused: Refused): Cursor | undefined {
  const seq = seqOf(refused) - 1;
  return position && seq >= 0 ? { epoch: position.epoch, seq: Math.min(position.seq, seq) } : undefined;
}

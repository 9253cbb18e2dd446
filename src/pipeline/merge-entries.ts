import type { Revocation, Share } from '../core/revocation.ts';
import { mergeKey } from './merge-key.ts';

/** Signals that one entry tells apart. */
const sharesMax = 32;

/** An entry of which no other of its group merges with it. `mergesBy` is absent where nothing ever merges. */
export type FoldedEntry = { readonly entry: Revocation; readonly key: string; readonly mergesBy?: string };

/**
 * Entries that would merge with each other become one, the later cut-off and lapse of them; the others stay as they
 * are. A group of signals is one moment: what two of them put alike needs one entry.
 *
 * @returns which of the folded entries stands for each one given.
 */
export function foldMerging(entries: readonly Revocation[]): {
  readonly folded: readonly FoldedEntry[];
  readonly standsFor: readonly number[];
} {
  const folded: FoldedEntry[] = [];
  const places = new Map<string, number>();
  const standsFor = entries.map((entry) => {
    const key = Buffer.from(mergeKey(entry)).toString('hex');
    if (entry.cutOff === undefined) return folded.push({ entry, key }) - 1;
    const mergesBy = `${entry.sourceId} ${key}`;
    const place = places.get(mergesBy);
    const first = place === undefined ? undefined : folded[place];
    if (place === undefined || first === undefined) {
      const last = folded.push({ entry, key, mergesBy }) - 1;
      places.set(mergesBy, last);
      return last;
    }
    folded[place] = { ...first, entry: moveForward(first.entry, entry) };
    return place;
  });
  return { folded, standsFor };
}

/**
 * The first entry, moved forward by the next that merges with it (DESIGN §5): the later cut-off and lapse of both, the
 * rest of whichever cuts off later, and of the other its share.
 */
export function moveForward(first: Revocation, next: Revocation): Revocation {
  const [reaching, other] = (next.cutOff ?? 0) >= (first.cutOff ?? 0) ? [next, first] : [first, next];
  const { lapsesAt: _, ...rest } = { ...other, ...reaching };
  const lapsesAt = latest(first.lapsesAt, next.lapsesAt);
  return {
    ...rest,
    id: first.id,
    shares: settleShares([...(first.shares ?? []), ...(next.shares ?? []), shareOf(other)]),
    ...(lapsesAt === undefined ? {} : { lapsesAt }),
  };
}

/** What stands already is later in both than what is asked for: it need not move. */
export function reachesFurther(standing: Revocation, asked: Revocation): boolean {
  const lapsesLater =
    asked.lapsesAt !== undefined && (standing.lapsesAt === undefined || standing.lapsesAt > asked.lapsesAt);
  return lapsesLater && (standing.cutOff ?? 0) > (asked.cutOff ?? 0);
}

/**
 * The newest shares of an entry, and of those before them the one that reaches furthest: settled, which is no signal's
 * to take back any more.
 */
export function settleShares(shares: readonly Share[]): readonly Share[] {
  if (shares.length <= sharesMax) return shares;
  const [older, newest] = [shares.slice(0, 1 - sharesMax), shares.slice(1 - sharesMax)];
  const furthest = older.reduce((one, share) => (share.cutOff > one.cutOff ? share : one));
  return [{ ...furthest, settled: true }, ...newest];
}

const shareOf = ({
  signalId,
  reason,
  cause,
  agent,
  standingId,
  lapsesAt,
  cutOff = 0,
}: Revocation): Share => ({
  signalId,
  reason,
  cause,
  cutOff,
  settled: false,
  ...(agent === undefined ? {} : { agent }),
  ...(standingId === undefined ? {} : { standingId }),
  ...(lapsesAt === undefined ? {} : { lapsesAt }),
});

const latest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : Math.max(one, other);

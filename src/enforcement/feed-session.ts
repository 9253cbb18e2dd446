import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Cursor, FeedEntry } from '../core/feed.ts';
import type { RevocationCache } from './cache.ts';
import type { FeedMessage } from './feed-events.ts';
import type { LoadedSnapshot } from './snapshot-load.ts';

/**
 * What has been received and what is in force, apart from connections and clocks. Entries follow each other without a
 * gap in `received`, whatever the number of connections. While a snapshot is on its way every entry is put in force at
 * once on what is there, and kept to be applied again on what comes.
 */
export type FeedSession = {
  /** Resume from here; without it, from the head. */
  readonly received: Cursor | undefined;
  /** A set is in force and complete up to `cache.position`. */
  readonly isWhole: boolean;
  /** The stream begins after `from`. `false`: that is not where we are. */
  readonly open: (from: Cursor, epoch: string) => boolean;
  /** `gap`: something before it is missing, and it was not applied. `known`: it is in force already. */
  readonly accept: (message: Extract<FeedMessage, { kind: 'entry' }>) => 'applied' | 'known' | 'gap';
  readonly compare: (message: Extract<FeedMessage, { kind: 'heartbeat' }>) => Comparison;
  /** Our place in the feed is no place of the hub's any more. What is in force stays so until a snapshot replaces it. */
  readonly lose: () => void;
  /** From now on entries are kept for the snapshot that is asked for. */
  readonly startLoad: () => void;
  /** `old`: it lacks entries that are in force here or came before the stream; ask for another. */
  readonly adopt: (snapshot: LoadedSnapshot) => Promise<'adopted' | 'old' | 'stopped'>;
  /** Continue after a cold start. */
  readonly resumeFrom: (cursor: Cursor) => void;
};

/** `unknown`: the hub's node does not know its own head. `behind`: an entry is missing. `loading`: a snapshot is. */
export type Comparison = 'unknown' | 'behind' | 'loading' | 'equal' | 'different';

/** Entries kept while a snapshot is taken; a point that cannot load one while so many come starts again. */
const keptMax = 200_000;
const orphansPerTurn = 500;

type State = {
  received: Cursor | undefined;
  isWhole: boolean;
  kept: FeedEntry[] | undefined;
  /** No snapshot from before this can be joined with the stream. */
  floor: Cursor | undefined;
};

export function createFeedSession(cache: RevocationCache): FeedSession {
  const state: State = { received: undefined, isWhole: false, kept: undefined, floor: undefined };
  return {
    get received() {
      return state.received;
    },
    get isWhole() {
      return state.isWhole;
    },
    open: (from, epoch) => open(state, from, epoch),
    accept: (message) => accept(state, cache, message),
    compare: (message) => compare(state, cache, message),
    lose: () => {
      state.received = undefined;
      state.isWhole = false;
      state.kept = undefined;
    },
    startLoad: () => {
      // A second try keeps what the first one kept: its snapshot may be as old as the first would have been.
      if (state.kept) return;
      state.kept = [];
      state.floor = state.received;
    },
    adopt: (snapshot) => adopt(state, cache, snapshot),
    resumeFrom: (cursor) => {
      state.received = cursor;
      state.isWhole = true;
    },
  };
}

const isSamePlace = (left: Cursor, right: Cursor): boolean =>
  left.epoch === right.epoch && left.seq === right.seq;
const isBefore = (left: Cursor, right: Cursor): boolean => left.epoch === right.epoch && left.seq < right.seq;

function open(state: State, from: Cursor, epoch: string): boolean {
  if (from.epoch !== epoch) return false;
  state.received ??= from;
  return isSamePlace(state.received, from);
}

function accept(
  state: State,
  cache: RevocationCache,
  { entry, cursor, after }: Extract<FeedMessage, { kind: 'entry' }>,
): 'applied' | 'known' | 'gap' {
  const { received } = state;
  if (!received) return 'gap';
  if (!isSamePlace(received, after))
    return isBefore(received, cursor) || received.epoch !== cursor.epoch ? 'gap' : 'known';
  if (!isBefore(after, cursor)) return 'gap';
  const isKnown = state.isWhole && cache.position !== undefined && !isBefore(cache.position, cursor);
  // Received only once it is in force: should applying it throw, it is asked for again.
  if (!isKnown) cache.apply(entry);
  state.received = cursor;
  if (isKnown) {
    // The snapshot was ahead of this lift and had no word of it: what was kept for want of one ends.
    if (entry.op !== 'put') cache.forgetOrphan(entry.id);
    return 'known';
  }
  if (state.isWhole) cache.position = cursor;
  if (state.kept && state.kept.push(entry) > keptMax) state.kept = undefined;
  return 'applied';
}

function compare(
  { received, isWhole }: State,
  cache: RevocationCache,
  { heartbeat, through }: Extract<FeedMessage, { kind: 'heartbeat' }>,
): Comparison {
  if (heartbeat.stale || !through) return 'unknown';
  if (!received || received.epoch !== through.epoch || received.seq < through.seq) return 'behind';
  if (!isWhole || !cache.position || cache.position.seq < through.seq) return 'loading';
  if (heartbeat.digest === undefined || !isSamePlace(cache.position, through)) return 'equal';
  return heartbeat.digest === cache.digest() ? 'equal' : 'different';
}

async function adopt(
  state: State,
  cache: RevocationCache,
  snapshot: LoadedSnapshot,
): Promise<'adopted' | 'old' | 'stopped'> {
  const { kept, floor } = state;
  if (!kept || !floor) return 'stopped';
  if (snapshot.cursor.epoch !== floor.epoch || isBefore(snapshot.cursor, floor)) return 'old';
  await keepOrphans(cache, snapshot);
  const { received } = state;
  // While orphans were looked for, the place in the feed may have been lost.
  if (state.kept !== kept || !received) return 'stopped';
  for (const entry of kept) {
    if (seqOf(entry) > snapshot.cursor.seq) snapshot.cache.apply(entry);
    else if (entry.op !== 'put') snapshot.cache.forgetOrphan(entry.id);
  }
  snapshot.cache.position = isBefore(snapshot.cursor, received) ? received : snapshot.cursor;
  cache.replaceBy(snapshot.cache);
  state.kept = undefined;
  state.isWhole = true;
  return 'adopted';
}

const epochOf = ({ position }: FeedEntry): string => position.slice(0, position.lastIndexOf('-'));
const seqOf = ({ position }: FeedEntry): number => Number(position.slice(position.lastIndexOf('-') + 1));

/**
 * What was enforced and the snapshot does not have: after a new epoch all that the old one put, otherwise what was kept
 * before. Entries of the new epoch come in meanwhile; those that the snapshot lacks were lifted before it was made.
 */
async function keepOrphans(old: RevocationCache, { cache: next, cursor }: LoadedSnapshot): Promise<void> {
  const isNewEpoch = old.position !== undefined && old.position.epoch !== cursor.epoch;
  for (const entry of old.orphans()) if (!next.get(entry.id)) next.adoptOrphan(entry);
  if (!isNewEpoch) return;
  let looked = 0;
  for (const entry of old.entries()) {
    if (epochOf(entry) !== cursor.epoch && !next.get(entry.id)) next.adoptOrphan(entry);
    looked += 1;
    if (looked % orphansPerTurn === 0) await nextTurn();
  }
}

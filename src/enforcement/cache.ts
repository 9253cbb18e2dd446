import { type Cursor, type FeedEntry, formatDigest, type PutEntry } from '../core/feed.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { Seconds } from '../core/vocabulary.ts';
import { blocks } from './cache/arena.ts';
import { isKnownEffect, whyNotApplied } from './cache/check-entry.ts';
import { createDictionary, type Dictionary } from './cache/dictionary.ts';
import { createDigest, type DigestLanes, stepDigest } from './cache/digest.ts';
import type { LiveEntry } from './cache/live-entry.ts';
import { lookup, type Unpacked } from './cache/lookup.ts';
import { checkRow, type Row } from './cache/row.ts';
import {
  addEntry,
  addRecord,
  createStore,
  findId,
  readEntry,
  removeEntry,
  type Store,
} from './cache/store.ts';

/**
 * The live set, exact and in few bytes: every entry is packed into an arena and filed under one of its members; what a
 * look-up finds there is decided by `core/match.ts`. All calls are synchronous and short, whatever the size.
 */
export type RevocationCache = {
  /** Entries put and neither lifted nor dropped, whether understood or not. A clock does not change it. Orphans are not counted. */
  readonly size: number;
  /** Everything up to here has been applied. Set by whoever feeds the cache. */
  position: Cursor | undefined;
  /** As a heartbeat says it (`formatDigest`). */
  readonly digest: () => string;
  /** A put of an id that is there replaces it. What is not understood is not applied, and kept in digest and iteration. */
  readonly apply: (entry: FeedEntry) => void;
  /** A put as a row that was written with the words this cache began with. @throws RangeError, SyntaxError when it is none */
  readonly applyRow: (row: Row) => void;
  /** Every entry that matches now, in no particular order. */
  readonly lookup: (context: TokenContext, nowSeconds: Seconds) => readonly LiveEntry[];
  readonly get: (id: string) => PutEntry | undefined;
  /** The whole set as it was received, orphans left out, in no particular order. What comes or goes meanwhile may be missing or present. */
  readonly entries: () => IterableIterator<PutEntry>;
  /** Entries that were not applied, and why. */
  readonly refused: () => IterableIterator<Refused>;
  readonly refusedCount: number;
  /** Goes on enforcing an entry that the hub no longer has, outside of size and digest; a put or removal of its id ends that. */
  readonly adoptOrphan: (entry: PutEntry) => void;
  readonly orphans: () => IterableIterator<PutEntry>;
  readonly orphanCount: number;
  readonly forgetOrphan: (id: string) => void;
  /** Takes over the whole content of another cache, which must not be used afterwards. */
  readonly replaceBy: (other: RevocationCache) => void;
};

export type Refused = { readonly id: string; readonly position: string; readonly why: string };

type State = {
  size: number;
  position: Cursor | undefined;
  readonly lanes: DigestLanes;
  readonly store: Store;
  readonly unpacked: Unpacked;
  /** As received, because the packed form cannot say it: not applied (with the reason), or of an unknown effect. */
  readonly odd: Map<string, { readonly entry: PutEntry; readonly why?: string }>;
  readonly orphans: Set<string>;
  /** How many of `odd` have a reason. */
  refused: number;
};

export type CacheStart = {
  /** Of the rows that will be applied. */
  readonly words?: Dictionary;
  /** How many entries will come, as somebody says: room is made for them, within reason. */
  readonly expected?: unknown;
};

/** About 40 MB; what comes beyond makes the cache grow as ever. */
const expectedMax = 4_000_000;

export function createRevocationCache(start: CacheStart = {}): RevocationCache {
  let state = createState(start);
  const cache: RevocationCache = {
    get size() {
      return state.size;
    },
    get position() {
      return state.position;
    },
    set position(position) {
      state.position = position;
    },
    digest: () => formatDigest(state.lanes),
    apply: (entry) => (entry.op === 'put' ? put(state, entry) : remove(state, entry.id)),
    applyRow: (row) => putRow(state, row),
    lookup: (context, nowSeconds) => lookup(state.store, state.unpacked, context, nowSeconds),
    get: (id) => entryOf(state, id),
    entries: () => entriesOf(state),
    refused: () => refusedOf(state),
    get refusedCount() {
      return state.refused;
    },
    adoptOrphan: (entry) => adoptOrphan(state, entry),
    orphans: () => orphansOf(state),
    get orphanCount() {
      return state.orphans.size;
    },
    forgetOrphan: (id) => {
      if (state.orphans.has(id)) remove(state, id);
    },
    replaceBy: (other) => {
      state = stateOf(other);
    },
  };
  states.set(cache, () => state);
  return cache;
}

const states = new WeakMap<RevocationCache, () => State>();

function stateOf(cache: RevocationCache): State {
  const state = states.get(cache)?.();
  if (!state) throw new TypeError('not a cache made by createRevocationCache');
  return state;
}

const createState = ({ words, expected }: CacheStart): State => ({
  size: 0,
  position: undefined,
  lanes: createDigest(),
  store: createStore(
    words ?? createDictionary(),
    Number.isSafeInteger(expected) ? Math.min(Number(expected), expectedMax) : 0,
  ),
  unpacked: new Map(),
  odd: new Map(),
  orphans: new Set(),
  refused: 0,
});

function put(state: State, entry: PutEntry): void {
  remove(state, entry.id);
  file(state, entry);
  stepDigest(state.lanes, entry.id, entry.position, 1);
  state.size += 1;
}

function putRow(state: State, row: Row): void {
  const checked = checkRow(row, state.store.words);
  if (checked.kind === 'entry') return put(state, checked.entry);
  const { at, walked } = checked;
  const place = { bytes: row.bytes, at };
  if (state.odd.has(walked.id) || !addRecord(state.store, place, row.end, walked)) {
    remove(state, walked.id);
    addRecord(state.store, place, row.end, walked);
  }
  stepDigest(state.lanes, walked.id, walked.position, 1);
  state.size += 1;
}

function file(state: State, entry: PutEntry): void {
  const why = whyNotApplied(entry);
  if (why !== undefined) {
    state.odd.set(entry.id, { entry, why });
    state.refused += 1;
  } else if (isKnownEffect(entry.effect)) addEntry(state.store, entry);
  else {
    state.odd.set(entry.id, { entry });
    addEntry(state.store, { ...entry, effect: 'deny' });
  }
}

function remove(state: State, id: string): void {
  const ref = findId(state.store, id);
  const packed = ref === 0 ? undefined : readEntry(state.store, ref);
  const odd = state.odd.get(id);
  const held = odd?.entry ?? packed;
  if (!held) return;
  if (packed) removeEntry(state.store, ref, packed);
  state.unpacked.delete(ref);
  state.odd.delete(id);
  if (odd?.why !== undefined) state.refused -= 1;
  if (state.orphans.delete(id)) return;
  stepDigest(state.lanes, id, held.position, -1);
  state.size -= 1;
}

function adoptOrphan(state: State, entry: PutEntry): void {
  if (findId(state.store, entry.id) !== 0 || state.odd.has(entry.id)) return;
  file(state, entry);
  state.orphans.add(entry.id);
}

function entryOf({ store, odd }: State, id: string): PutEntry | undefined {
  const ref = findId(store, id);
  return odd.get(id)?.entry ?? (ref === 0 ? undefined : readEntry(store, ref));
}

function* entriesOf({ store, odd, orphans }: State): IterableIterator<PutEntry> {
  for (const ref of blocks(store.arena)) {
    const entry = readEntry(store, ref);
    if (!odd.has(entry.id) && !orphans.has(entry.id)) yield entry;
  }
  for (const [id, { entry }] of odd) if (!orphans.has(id)) yield entry;
}

function* refusedOf({ odd }: State): IterableIterator<Refused> {
  for (const [id, { entry, why }] of odd) if (why !== undefined) yield { id, position: entry.position, why };
}

function* orphansOf(state: State): IterableIterator<PutEntry> {
  for (const id of state.orphans) {
    const entry = entryOf(state, id);
    if (entry) yield entry;
  }
}

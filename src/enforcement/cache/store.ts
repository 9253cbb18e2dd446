import type { PutEntry } from '../../core/feed.ts';
import {
  allocate,
  type Arena,
  blockHeadBytes,
  blockBytesMax,
  chunkOf,
  createArena,
  offsetOf,
  type Ref,
  release,
} from './arena.ts';
import { type Bytes, copyBytes, createBytes, type Place, sameBytes } from './bytes.ts';
import type { Dictionary } from './dictionary.ts';
import { createHashIndex, findRef, type HashIndex, insertRef, removeRef, replaceRef } from './hash-index.ts';
import { createHashKey, type HashKey, keyedHash } from './keyed-hash.ts';
import { endOfText, packText } from './packed-text.ts';
import * as record from './record.ts';

/** Packed entries, found by id and by the value of one of their members. Knows nothing of digests or refusals. */
export type Store = {
  readonly arena: Arena;
  readonly words: Dictionary;
  readonly key: HashKey;
  readonly byId: HashIndex;
  readonly byAnchor: HashIndex;
  /** How many anchor values there are of each kind: a kind without any is not looked up. */
  readonly anchors: Uint32Array;
  /** Lengths of the `…/*` workloads that are anchors, and how many of each. */
  readonly wildcardLengths: Map<number, number>;
  readonly scratch: Bytes;
  readonly wanted: Wanted;
  readonly isWanted: (ref: Ref) => boolean;
};

/** The packed value that is being looked for. */
type Wanted = { kind: record.AnchorKind; bytes: Bytes; at: number; length: number };

/** A kind beside those of anchors. */
const idKind = record.anchorOrder.length;
const workloadKind = record.kindOf('workload');
/** From here on an entry is filed under another of its members, if that has fewer. */
const crowd = 8;

/** Records are read and written with these words. It begins with room for so many. */
export function createStore(words: Dictionary, expected: number): Store {
  const arena = createArena();
  const key = createHashKey();
  const scratch = createBytes(blockBytesMax);
  const wanted: Wanted = { kind: 0, bytes: scratch, at: 0, length: 0 };
  return {
    arena,
    words,
    key,
    byId: createHashIndex((ref) => hashOf(arena, key, idKind, ref), expected),
    byAnchor: createHashIndex((ref) => hashOf(arena, key, anchorKindOf(arena, ref), ref), expected),
    anchors: new Uint32Array(record.anchorOrder.length),
    wildcardLengths: new Map(),
    scratch,
    wanted,
    isWanted: (ref) => holdsWanted(arena, wanted, ref),
  };
}

/** The newest entry filed under this value, or 0; `nextInCrowd` has the others. */
export const findAnchor = (store: Store, kind: record.AnchorKind, value: string): Ref =>
  findRef(store.byAnchor, want(store, kind, value), store.isWanted);

export const findId = (store: Store, id: string): Ref =>
  findRef(store.byId, want(store, idKind, id), store.isWanted);

export const nextInCrowd = ({ arena }: Store, ref: Ref): Ref =>
  record.nextOf(chunkOf(arena, ref).view, offsetOf(ref));

export const readEntry = ({ arena, words }: Store, ref: Ref): PutEntry =>
  record.readRecord({ bytes: chunkOf(arena, ref), at: offsetOf(ref) }, words);

/** Files an entry whose id is not there yet. */
export function addEntry(store: Store, entry: PutEntry): void {
  const { anchor, head, hash } = chooseAnchor(store, entry);
  const idHash = want(store, idKind, entry.id);
  const place = { bytes: store.scratch, at: 0 };
  record.writeRecord(entry, { anchor, next: head }, store.words, place);
  const ref = allocate(store.arena, place.at);
  const { buffer } = chunkOf(store.arena, ref);
  store.scratch.buffer.copy(buffer, offsetOf(ref) + blockHeadBytes, blockHeadBytes, place.at);
  insertRef(store.byId, idHash, ref);
  if (head !== 0) return replaceRef(store.byAnchor, hash, head, ref);
  insertRef(store.byAnchor, hash, ref);
  countAnchor(store, record.kindOf(anchor), entry.match[anchor] ?? '', 1);
}

/**
 * The same for a record that `checkRecord` has passed, from its place to `end`: as a rule its bytes are taken as they
 * are. `false`: its id is there, and nothing was done.
 */
export function addRecord(store: Store, { bytes, at }: Place, end: number, walked: record.Walked): boolean {
  const { anchor, idStart, idEnd } = walked;
  const idHash = wantPacked(store, idKind, bytes, idStart, idEnd);
  if (findRef(store.byId, idHash, store.isWanted) !== 0) return false;
  const hash = wantPacked(store, anchor, bytes, record.anchorAt(bytes.view, at), idStart);
  if (anchor === workloadKind || findRef(store.byAnchor, hash, store.isWanted) !== 0) {
    addEntry(store, record.readRecord({ bytes, at }, store.words));
    return true;
  }
  const ref = allocate(store.arena, end - at);
  const from = at + blockHeadBytes;
  copyBytes(bytes, from, chunkOf(store.arena, ref), offsetOf(ref) + blockHeadBytes, end - from);
  insertRef(store.byId, idHash, ref);
  insertRef(store.byAnchor, hash, ref);
  countAnchor(store, anchor, '', 1);
  return true;
}

export function removeEntry(store: Store, ref: Ref, { id, match }: PutEntry): void {
  const { arena } = store;
  const kind = anchorKindOf(arena, ref);
  const value = match[record.anchorOrder[kind] ?? 'iss'] ?? '';
  removeRef(store.byId, want(store, idKind, id), ref);
  const head = findAnchor(store, kind, value);
  const next = nextInCrowd(store, ref);
  if (head !== ref) unlink(store, head, ref, next);
  else if (next !== 0) replaceRef(store.byAnchor, hashWanted(store), ref, next);
  else {
    removeRef(store.byAnchor, hashWanted(store), ref);
    countAnchor(store, kind, value, -1);
  }
  release(arena, ref);
}

function unlink(store: Store, head: Ref, ref: Ref, next: Ref): void {
  let before = head;
  for (let at = nextInCrowd(store, before); at !== ref && at !== 0; at = nextInCrowd(store, before))
    before = at;
  record.setNext(chunkOf(store.arena, before).view, offsetOf(before), next);
}

type Choice = {
  readonly anchor: (typeof record.anchorOrder)[number];
  readonly head: Ref;
  readonly hash: number;
};

/** The most selective member that is not crowded, else the least crowded; with whoever is filed there. */
function chooseAnchor(store: Store, { match }: PutEntry): Choice {
  let choice: Choice | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const anchor of record.anchorOrder) {
    const value = match[anchor];
    if (value === undefined) continue;
    const hash = want(store, record.kindOf(anchor), value);
    const head = findRef(store.byAnchor, hash, store.isWanted);
    const beside = crowdAt(store, head);
    if (beside >= fewest) continue;
    choice = { anchor, head, hash };
    fewest = beside;
    if (beside < crowd) break;
  }
  if (!choice) throw new RangeError('an entry without a match cannot be filed');
  return choice;
}

function crowdAt(store: Store, head: Ref): number {
  let count = 0;
  for (let ref = head; ref !== 0 && count < crowd * crowd; ref = nextInCrowd(store, ref)) count += 1;
  return count;
}

function countAnchor({ anchors, wildcardLengths }: Store, kind: number, value: string, by: 1 | -1): void {
  anchors[kind] = (anchors[kind] ?? 0) + by;
  if (kind !== workloadKind || !value.endsWith('/*')) return;
  const count = (wildcardLengths.get(value.length) ?? 0) + by;
  if (count === 0) wildcardLengths.delete(value.length);
  else wildcardLengths.set(value.length, count);
}

/** Packs the value into `scratch` and returns its hash. */
function want(store: Store, kind: number, value: string): number {
  const place = { bytes: store.scratch, at: 0 };
  packText(value, place);
  return wantPacked(store, kind, store.scratch, 0, place.at);
}

/** The value is packed already, and stays where it is. */
function wantPacked(store: Store, kind: number, bytes: Bytes, at: number, end: number): number {
  const { wanted } = store;
  wanted.kind = kind;
  wanted.bytes = bytes;
  wanted.at = at;
  wanted.length = end - at;
  return hashWanted(store);
}

const hashWanted = ({ key, wanted: { kind, bytes, at, length } }: Store): number =>
  keyedHash(key, kind, bytes.view, at, length);

const anchorKindOf = (arena: Arena, ref: Ref): record.AnchorKind =>
  record.anchorKindAt(chunkOf(arena, ref).view, offsetOf(ref));

/** Where in its chunk the value lies by which the record is found. */
const valueAt = (arena: Arena, kind: number, ref: Ref): number =>
  kind === idKind
    ? record.idAt({ bytes: chunkOf(arena, ref), at: offsetOf(ref) })
    : record.anchorAt(chunkOf(arena, ref).view, offsetOf(ref));

function holdsWanted(arena: Arena, { kind, bytes, at, length }: Wanted, ref: Ref): boolean {
  const { buffer } = chunkOf(arena, ref);
  if (kind !== idKind && anchorKindOf(arena, ref) !== kind) return false;
  return sameBytes(bytes.buffer, at, buffer, valueAt(arena, kind, ref), length);
}

function hashOf(arena: Arena, key: HashKey, kind: number, ref: Ref): number {
  const bytes = chunkOf(arena, ref);
  const start = valueAt(arena, kind, ref);
  return keyedHash(key, kind, bytes.view, start, endOfText({ bytes, at: start }) - start);
}

import type { Ref } from './arena.ts';

/**
 * Open addressing over two flat arrays: one byte of each hash, so that a miss touches nothing else, and the reference.
 * It grows and shrinks into a new table, a few slots with each insertion, so that no insertion waits for all others.
 */
export type HashIndex = {
  /** The hash under which a reference was filed. */
  readonly hashOf: (ref: Ref) => number;
  live: number;
  current: Table;
  /** The table before, until all of it has been moved. */
  draining: Table | undefined;
  drainedTo: number;
  /** So many slots of `draining` are moved with each insertion. */
  drainStep: number;
};

type Table = { readonly tags: Uint8Array; readonly refs: Uint32Array; used: number };

const slotsMin = 16;
const fullAt = 0.8;
/** Slots of a new table for each live reference: it is half full when it starts. */
const slotsPerLive = 1.9;
const drainStepMin = 8;

const neverUsed = 0;
const vacated = 1;
const tagOf = (hash: number): number => (hash % 254) + 2;

/** With room for so many from the start. */
export const createHashIndex = (hashOf: (ref: Ref) => number, expected = 0): HashIndex => ({
  hashOf,
  live: 0,
  current: createTable(Math.max(slotsMin, Math.ceil(expected * slotsPerLive))),
  draining: undefined,
  drainedTo: 0,
  drainStep: drainStepMin,
});

/** The reference filed under this hash that `isIt`, or 0. */
export function findRef(index: HashIndex, hash: number, isIt: (ref: Ref) => boolean): Ref {
  const found = find(index.current, hash, isIt);
  return found === 0 && index.draining ? find(index.draining, hash, isIt) : found;
}

/** Does not look whether it is there already. */
export function insertRef(index: HashIndex, hash: number, ref: Ref): void {
  drain(index);
  if (index.current.used >= index.current.tags.length * fullAt) startTable(index);
  place(index.current, hash, ref);
  index.live += 1;
}

/** Files `newer` in the place of `older`, which has the same hash. */
export function replaceRef(index: HashIndex, hash: number, older: Ref, newer: Ref): void {
  for (const table of [index.current, index.draining]) {
    const slot = table ? slotOf(table, hash, older) : -1;
    if (table && slot >= 0) table.refs[slot] = newer;
  }
}

export function removeRef(index: HashIndex, hash: number, ref: Ref): void {
  for (const table of [index.current, index.draining]) {
    const slot = table ? slotOf(table, hash, ref) : -1;
    if (!table || slot < 0) continue;
    table.tags[slot] = vacated;
    index.live -= 1;
    return;
  }
}

/**
 * The old table may be far larger than the new one, when most of what was in it is gone. It must be empty before the
 * new one is full: a table with no slot left has no end for whoever looks for one.
 */
function startTable(index: HashIndex): void {
  const old = index.current;
  const slots = Math.max(slotsMin, Math.ceil((index.live + 1) * slotsPerLive));
  const insertionsLeft = Math.max(1, Math.floor(slots * fullAt) - index.live);
  index.draining = old;
  index.drainedTo = 0;
  index.drainStep = Math.max(drainStepMin, Math.ceil(old.tags.length / insertionsLeft));
  index.current = createTable(slots);
}

const createTable = (slots: number): Table => ({
  tags: new Uint8Array(slots),
  refs: new Uint32Array(slots),
  used: 0,
});

const homeOf = (hash: number, slots: number): number => Math.floor((hash * slots) / 2 ** 32);

function find({ tags, refs }: Table, hash: number, isIt: (ref: Ref) => boolean): Ref {
  const wanted = tagOf(hash);
  for (let slot = homeOf(hash, tags.length); ; slot = slot + 1 === tags.length ? 0 : slot + 1) {
    const tag = tags[slot];
    if (tag === neverUsed) return 0;
    if (tag !== wanted) continue;
    const ref = refs[slot] ?? 0;
    if (isIt(ref)) return ref;
  }
}

function slotOf({ tags, refs }: Table, hash: number, ref: Ref): number {
  const wanted = tagOf(hash);
  for (let slot = homeOf(hash, tags.length); ; slot = slot + 1 === tags.length ? 0 : slot + 1) {
    const tag = tags[slot];
    if (tag === neverUsed) return -1;
    if (tag === wanted && refs[slot] === ref) return slot;
  }
}

function place(table: Table, hash: number, ref: Ref): void {
  const { tags, refs } = table;
  let slot = homeOf(hash, tags.length);
  while (tags[slot] !== neverUsed) slot = slot + 1 === tags.length ? 0 : slot + 1;
  tags[slot] = tagOf(hash);
  refs[slot] = ref;
  table.used += 1;
}

function drain(index: HashIndex): void {
  const { draining } = index;
  if (!draining) return;
  const end = Math.min(draining.tags.length, index.drainedTo + index.drainStep);
  for (let slot = index.drainedTo; slot < end; slot += 1) {
    if ((draining.tags[slot] ?? neverUsed) <= vacated) continue;
    const ref = draining.refs[slot] ?? 0;
    place(index.current, index.hashOf(ref), ref);
    draining.tags[slot] = vacated;
  }
  index.drainedTo = end;
  if (end === draining.tags.length) index.draining = undefined;
}

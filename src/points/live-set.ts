import { chunkIndexOf, chunkRange, createByteLog, type ReadPiece } from './byte-log.ts';
import { createIdIndex } from './id-index.ts';

/**
 * Every entry that is put and not removed, as a snapshot carries it: its *text*, a line or a row. It costs its bytes
 * and about 30 more, whatever the number of entries: there is no object per entry.
 */
export type LiveSet = {
  readonly count: number;
  /** What all of it takes, for metrics. */
  readonly heldBytes: number;
  /** Puts the entry in the place of the one with the same id; `false` when that stands at the same or a later position. */
  put(head: TextHead, text: string | Buffer): boolean;
  /** `false` when there is none. */
  remove(id: string): boolean;
  /** All texts as of now, whatever happens meanwhile. */
  view(): LiveView;
};

/** What a text says of itself. */
export type TextHead = { readonly id: string; readonly position: string };
export type ReadHead = (text: Buffer) => TextHead;

export type LiveView = {
  readonly count: number;
  /** The texts, in few pieces. */
  pieces(): Generator<Buffer>;
};

const slotsFirst = 1024;
/** A chunk of which more is dead than this share is emptied into the newest one. */
const deadShareMax = 0.5;
/** Of a view. */
const pieceBytesMax = 256 * 1024;

export function createLiveSet(readHead: ReadHead): LiveSet {
  const texts = createByteLog();
  const index = createIdIndex((slot) => headOf(slot).id);
  // Per slot, in the order of the offsets: where its text is, and how long; no length: dead.
  let offsets = new Float64Array(slotsFirst);
  let lengths = new Uint32Array(slotsFirst);
  let slots = 0;
  let count = 0;
  const deadBytes = new Map<number, number>();

  const headOf = (slot: number) => readHead(textOf(slot));

  function textOf(slot: number): Buffer {
    const [offset, length] = [offsets[slot] ?? 0, lengths[slot] ?? 0];
    return texts.readPiece(offset, offset + length, length).bytes;
  }

  function append(text: string | Buffer): number {
    if (slots === offsets.length) makeRoom();
    const offset = texts.append(text);
    offsets[slots] = offset;
    lengths[slots] = texts.end - offset;
    return slots++;
  }

  function makeRoom(): void {
    const [oldOffsets, oldLengths] = [offsets, lengths];
    offsets = new Float64Array(slots * 2);
    lengths = new Uint32Array(slots * 2);
    offsets.set(oldOffsets);
    lengths.set(oldLengths);
  }

  /** Leaves out the dead slots, as soon as they are the most. */
  function compact(): void {
    if (slots < slotsFirst || count * 2 > slots) return;
    const numbers = new Int32Array(slots);
    let kept = 0;
    for (let slot = 0; slot < slots; slot++) {
      const length = lengths[slot] ?? 0;
      if (length === 0) continue;
      numbers[slot] = kept;
      offsets[kept] = offsets[slot] ?? 0;
      lengths[kept++] = length;
    }
    slots = kept;
    index.renumber(numbers);
  }

  function kill(slot: number): void {
    const chunk = chunkIndexOf(offsets[slot] ?? 0);
    const dead = (deadBytes.get(chunk) ?? 0) + (lengths[slot] ?? 0);
    lengths[slot] = 0;
    deadBytes.set(chunk, dead);
    const { from, to } = chunkRange(chunk);
    if (to <= texts.end && dead > (to - from) * deadShareMax) empty(chunk);
  }

  function empty(chunk: number): void {
    const { from, to } = chunkRange(chunk);
    for (let slot = firstSlotAt(from); slot < slots && (offsets[slot] ?? to) < to; slot++) {
      if (lengths[slot] === 0) continue;
      const { id } = headOf(slot);
      const moved = append(textOf(slot));
      index.move(id, moved);
      lengths[slot] = 0;
    }
    deadBytes.delete(chunk);
    texts.forgetChunkAt(from);
  }

  /** Offsets only grow with the slot. */
  function firstSlotAt(offset: number): number {
    let [low, high] = [0, slots];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((offsets[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get count() {
      return count;
    },
    get heldBytes() {
      return texts.heldBytes + offsets.byteLength + lengths.byteLength + index.heldBytes;
    },
    put({ id, position }, text) {
      compact();
      const before = index.find(id);
      if (before !== undefined && seqOf(headOf(before).position) >= seqOf(position)) return false;
      const slot = append(text);
      if (before === undefined) {
        index.add(id, slot);
        count++;
      } else {
        index.move(id, slot);
        kill(before);
      }
      return true;
    },
    remove(id) {
      const slot = index.find(id);
      if (slot === undefined) return false;
      index.remove(id);
      kill(slot);
      count--;
      return true;
    },
    view: () => viewOf(texts.hold(), offsets.slice(0, slots), lengths.slice(0, slots), count),
  };
}

const seqOf = (position: string): number => Number(position.slice(position.lastIndexOf('-') + 1));

function viewOf(readPiece: ReadPiece, offsets: Float64Array, lengths: Uint32Array, count: number): LiveView {
  return {
    count,
    *pieces() {
      let [from, to] = [0, 0];
      for (let slot = 0; slot < offsets.length; slot++) {
        const length = lengths[slot] ?? 0;
        if (length === 0) continue;
        const offset = offsets[slot] ?? 0;
        if (offset !== to || to - from > pieceBytesMax || chunkIndexOf(offset) !== chunkIndexOf(from)) {
          if (to > from) yield readPiece(from, to, Number.MAX_SAFE_INTEGER).bytes;
          from = offset;
        }
        to = offset + length;
      }
      if (to > from) yield readPiece(from, to, Number.MAX_SAFE_INTEGER).bytes;
    },
  };
}

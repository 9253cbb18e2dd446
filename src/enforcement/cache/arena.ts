import { type Bytes, createBytes } from './bytes.ts';

/**
 * Memory for records: chunks that are never moved or copied, so that growing costs no pause. A freed block is used
 * again by the next record of its size. Each block opens with two bytes: in use or not, and its size.
 */
export type Arena = {
  readonly chunks: Bytes[];
  /** Where the next new block begins in the newest chunk, in units. */
  tail: number;
  /** Size in units → the newest free block of it; the block names the one before. */
  readonly free: Map<number, Ref>;
};

/** Names a block, by its place in units of four bytes. Never 0. */
export type Ref = number;

export const blockHeadBytes = 2;
/** What two bytes can say, less the bit that says `in use`. */
export const blockBytesMax = 131_068;

const unitBytes = 4;
const unitsPerChunk = 65_536;
const blockUnitsMin = 2;
const inUse = 0x8000;

export const createArena = (): Arena => ({ chunks: [], tail: unitsPerChunk, free: new Map() });

/** A block of at least so many bytes, its head included. */
export function allocate(arena: Arena, bytes: number): Ref {
  const units = Math.max(blockUnitsMin, Math.ceil(bytes / unitBytes));
  const ref = takeFree(arena, units) ?? takeNew(arena, units);
  chunkOf(arena, ref).view.setUint16(offsetOf(ref), inUse | units);
  return ref;
}

export function release(arena: Arena, ref: Ref): void {
  const { view } = chunkOf(arena, ref);
  const units = view.getUint16(offsetOf(ref)) & ~inUse;
  view.setUint16(offsetOf(ref), units);
  view.setUint32(offsetOf(ref) + blockHeadBytes, arena.free.get(units) ?? 0);
  arena.free.set(units, ref);
}

export function chunkOf(arena: Arena, ref: Ref): Bytes {
  const chunk = arena.chunks[ref >>> 16];
  if (!chunk) throw new RangeError('no such block');
  return chunk;
}

export const offsetOf = (ref: Ref): number => (ref & 0xffff) * unitBytes;

/** Every block in use, in order of place. A block that is in use throughout is met once, whatever happens meanwhile. */
export function* blocks(arena: Arena): IterableIterator<Ref> {
  for (let chunk = 0; chunk < arena.chunks.length; chunk += 1) {
    let unit = chunk === 0 ? 1 : 0;
    while (unit < unitsPerChunk) {
      const ref = chunk * unitsPerChunk + unit;
      const head = chunkOf(arena, ref).view.getUint16(offsetOf(ref));
      if (head === 0) break;
      if (head & inUse) yield ref;
      unit += head & ~inUse;
    }
  }
}

function takeFree(arena: Arena, units: number): Ref | undefined {
  const ref = arena.free.get(units);
  if (ref === undefined) return undefined;
  const older = chunkOf(arena, ref).view.getUint32(offsetOf(ref) + blockHeadBytes);
  if (older === 0) arena.free.delete(units);
  else arena.free.set(units, older);
  return ref;
}

function takeNew(arena: Arena, units: number): Ref {
  if (arena.tail + units > unitsPerChunk) {
    arena.chunks.push(createBytes(unitsPerChunk * unitBytes));
    arena.tail = arena.chunks.length === 1 ? 1 : 0;
  }
  const ref = (arena.chunks.length - 1) * unitsPerChunk + arena.tail;
  arena.tail += units;
  return ref;
}

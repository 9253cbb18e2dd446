/** Bytes are kept in pieces of this size: few large objects instead of millions of small ones. */
const chunkBytes = 1024 * 1024;

/** Some of the bytes at an offset, and where they go on. */
export type Piece = { readonly bytes: Buffer; readonly next: number };
export type ReadPiece = (at: number, to: number, bytesMax: number) => Piece;

/**
 * Bytes in the order in which they were appended, addressed by an offset that never changes. Written bytes are never
 * changed, so whoever holds a piece may go on reading it. Texts do not span chunks.
 */
export type ByteLog = {
  /** The offset behind the last byte. */
  readonly end: number;
  readonly heldBytes: number;
  /** The offset of the text's first byte. @throws when it is larger than a chunk. */
  append(text: string | Buffer): number;
  /** The bytes from `at`, at most to `to`. @throws when they are no longer held. */
  readonly readPiece: ReadPiece;
  /** Goes on reading what is held now, whatever is given back meanwhile. */
  hold(): ReadPiece;
  /** Whole chunks below the offset are given back. */
  forgetBelow(offset: number): void;
  /** Gives back the chunk that holds the offset, wherever it lies; it must not be read again. */
  forgetChunkAt(offset: number): void;
};

export const chunkIndexOf = (offset: number): number => Math.floor(offset / chunkBytes);
export const chunkRange = (index: number) => ({ from: index * chunkBytes, to: (index + 1) * chunkBytes });

type Chunk = { readonly bytes: Buffer; used: number };

export function createByteLog(): ByteLog {
  const chunks = new Map<number, Chunk>();
  let index = -1;
  let first = 0;
  let current: Chunk = { bytes: Buffer.alloc(0), used: 0 };

  function grow(): void {
    index++;
    current = { bytes: Buffer.allocUnsafeSlow(chunkBytes), used: 0 };
    chunks.set(index, current);
  }

  return {
    get end() {
      return index < 0 ? 0 : index * chunkBytes + current.used;
    },
    get heldBytes() {
      return chunks.size * chunkBytes;
    },
    append(text) {
      const length = Buffer.byteLength(text);
      if (length > chunkBytes) throw new Error(`a text of ${length} bytes does not fit into a chunk`);
      if (current.used + length > current.bytes.length) grow();
      const at = current.used;
      current.used += typeof text === 'string' ? current.bytes.write(text, at) : text.copy(current.bytes, at);
      return index * chunkBytes + at;
    },
    readPiece: (at, to, bytesMax) => pieceOf(chunks, at, to, bytesMax),
    hold() {
      const held = new Map(chunks);
      return (at, to, bytesMax) => pieceOf(held, at, to, bytesMax);
    },
    forgetBelow(offset) {
      for (; first < Math.min(chunkIndexOf(offset), index); first++) chunks.delete(first);
    },
    forgetChunkAt(offset) {
      chunks.delete(chunkIndexOf(offset));
    },
  };
}

function pieceOf(chunks: ReadonlyMap<number, Chunk>, at: number, to: number, bytesMax: number): Piece {
  const index = chunkIndexOf(at);
  const { from, to: nextChunk } = chunkRange(index);
  const chunk = chunks.get(index);
  if (chunk === undefined) throw new Error(`offset ${at} is not held`);
  const until = Math.min(chunk.used, at - from + bytesMax, to - from);
  const bytes = chunk.bytes.subarray(at - from, until);
  return { bytes, next: until === chunk.used && to > nextChunk ? nextChunk : from + until };
}

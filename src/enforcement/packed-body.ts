import { type Bytes, bytesOf } from './cache/bytes.ts';
import { type Row, rowHeadBytes } from './cache/row.ts';
import { createSlices } from './slices.ts';

/** Of a line: the first one has all words. */
const lineBytesMax = 16_777_216;
/** The hub keeps no longer ones. */
const rowBytesMax = 1_048_576;

/** A packed snapshot, part after part in the order in which they come. @throws Error when a part is cut off or too long */
export type PackedBody = {
  /** Without its newline. */
  readonly line: () => Promise<string>;
  /** Hands out rows up to the empty one, in short slices, so that requests are answered meanwhile. A row must not be kept. */
  readonly rows: (onRow: (row: Row) => void) => Promise<void>;
  /** Nothing follows. */
  readonly end: () => Promise<void>;
};

export function readPackedBody(source: AsyncIterable<Buffer>): PackedBody {
  const chunks: AsyncIterator<Buffer, unknown> = source[Symbol.asyncIterator]();
  let bytes: Bytes = bytesOf(Buffer.alloc(0));
  let at = 0;

  async function readMore(): Promise<boolean> {
    const next = await chunks.next();
    if (next.done === true) return false;
    const rest = bytes.buffer.subarray(at);
    bytes = bytesOf(rest.length === 0 ? next.value : Buffer.concat([rest, next.value]));
    at = 0;
    return true;
  }

  /** The next so many bytes are there. */
  async function need(count: number): Promise<void> {
    while (bytes.buffer.length - at < count) {
      if (!(await readMore())) throw new Error('the snapshot is cut off');
    }
  }

  return {
    line: async () => {
      let end = bytes.buffer.indexOf('\n', at);
      while (end < 0) {
        if (bytes.buffer.length - at > lineBytesMax) throw new Error('a line is too long');
        await need(bytes.buffer.length - at + 1);
        end = bytes.buffer.indexOf('\n', at);
      }
      const line = bytes.buffer.toString('utf8', at, end);
      at = end + 1;
      return line;
    },
    rows: async (onRow) => {
      const slices = createSlices();
      for (;;) {
        if (bytes.buffer.length - at < rowHeadBytes) await need(rowHeadBytes);
        const length = bytes.view.getUint32(at);
        if (length > rowBytesMax) throw new Error('a row is too long');
        if (bytes.buffer.length - at < rowHeadBytes + length) await need(rowHeadBytes + length);
        const end = at + rowHeadBytes + length;
        if (length > 0) onRow({ bytes, at, end });
        at = end;
        if (length === 0) return;
        if (slices.isOver()) await slices.next();
      }
    },
    end: async () => {
      if (at < bytes.buffer.length || (await readMore())) throw new Error('something follows the trailer');
    },
  };
}

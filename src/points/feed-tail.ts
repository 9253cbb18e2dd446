import { createByteLog, type Piece, type ReadPiece } from './byte-log.ts';
import { frameEnd } from './feed-frames.ts';

/**
 * The newest entries of the log as bytes of the event stream, one after the other: what comes after a position is one
 * range of bytes, whoever asks for it.
 */
export type FeedTail = {
  readonly epoch: string;
  /** Sequence of the newest entry. */
  readonly head: number;
  /** The position after which entries are held. */
  readonly start: number;
  /** Offset behind the newest entry. */
  readonly end: number;
  /** Below it the bytes are gone. */
  readonly oldest: number;
  append(seq: number, check: string, frame: string): void;
  /** Where the entries after `seq` begin; `seq` is at least `start` and at most `head`. */
  offsetAfter(seq: number): number;
  /** The check value of a position that is held, or of the start. */
  checkOf(seq: number): string | undefined;
  readonly readPiece: ReadPiece;
  /** Whole entries from `at` on: as many as fit into `bytesMax`, and one if not even that fits. */
  readFrames(at: number, bytesMax: number): Piece;
};

/** Entries kept. An instance that was away for longer takes a snapshot. */
export const tailEntriesMax = 100_000;

export function createFeedTail(
  from: { readonly epoch: string; readonly seq: number; readonly check: string },
  entriesMax = tailEntriesMax,
): FeedTail {
  const log = createByteLog();
  const offsets = new Float64Array(entriesMax);
  const checks = Buffer.alloc(8 * (entriesMax + 1));
  let start = from.seq;
  let head = from.seq;
  const checkPlace = (seq: number) => (seq % (entriesMax + 1)) * 8;
  checks.write(from.check, checkPlace(from.seq), 'hex');

  const offsetAfter = (seq: number) =>
    seq === head ? log.end : (offsets[(seq + 1) % entriesMax] ?? log.end);
  const oldest = () => offsetAfter(start);

  return {
    epoch: from.epoch,
    get head() {
      return head;
    },
    get start() {
      return start;
    },
    get end() {
      return log.end;
    },
    get oldest() {
      return oldest();
    },
    append(seq, check, frame) {
      if (seq !== head + 1) throw new Error(`entry ${seq} does not follow ${head}`);
      if (head - start === entriesMax) start++;
      offsets[seq % entriesMax] = log.append(frame);
      checks.write(check, checkPlace(seq), 'hex');
      head = seq;
      log.forgetBelow(oldest());
    },
    offsetAfter,
    checkOf(seq) {
      if (seq < start || seq > head) return undefined;
      return checks.toString('hex', checkPlace(seq), checkPlace(seq) + 8);
    },
    readPiece: log.readPiece,
    readFrames(at, bytesMax) {
      const held = log.readPiece(at, log.end, Number.MAX_SAFE_INTEGER);
      if (held.bytes.length <= bytesMax) return held;
      const last = held.bytes.lastIndexOf(frameEnd, bytesMax - frameEnd.length);
      const until = (last >= 0 ? last : held.bytes.indexOf(frameEnd)) + frameEnd.length;
      return until === held.bytes.length ? held : { bytes: held.bytes.subarray(0, until), next: at + until };
    },
  };
}

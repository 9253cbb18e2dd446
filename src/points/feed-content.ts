import { formatPosition } from '../core/feed.ts';
import { createRevocationCache, type RevocationCache } from '../enforcement/cache.ts';
import { createRowWriter, readRow, type RowWriter } from '../enforcement/cache/row.ts';
import { encodeEntry, type EncodedEntry, entryFrame, readLineHead } from './feed-frames.ts';
import { createFeedTail, type FeedTail } from './feed-tail.ts';
import { createLiveSet, type LiveSet } from './live-set.ts';
import type { FeedLog, LogRow } from './ports.ts';

/** Of one statement. */
export const rowsMax = 1_000;
const originCheck = '0'.repeat(16);

/** The same entries several times over: in order for streams, as lines and as rows for snapshots, packed for checks. */
export type FeedContent = Live & { readonly tail: FeedTail };
type Live = {
  readonly lines: LiveSet;
  readonly rows: LiveSet;
  /** Wrote the rows, and has their words. */
  readonly rowWriter: RowWriter;
  readonly cache: RevocationCache;
};

/**
 * First the tail up to the head of now, then the live set as it is by then, which may be newer: when the log is followed
 * from the tail's head on, entries that are there already change nothing, and both meet.
 */
export async function loadContent(log: FeedLog, entriesMax: number): Promise<FeedContent> {
  const tail = await loadTail(log, entriesMax);
  const live = createLive();
  for (let after = -1; ; ) {
    const rows = await log.readLive(after, rowsMax);
    for (const row of rows) putLive(live, encodeEntry({ ...row, op: 'put' }));
    const last = rows.at(-1);
    if (last === undefined) return { tail, ...live };
    after = last.seq;
  }
}

async function loadTail(log: FeedLog, entriesMax: number): Promise<FeedTail> {
  const { head } = await log.readAfter(Number.MAX_SAFE_INTEGER, 1);
  const createAfter = (seq: number, check: string) =>
    createFeedTail({ epoch: head.epoch, seq, check }, entriesMax);
  // One more than is kept: the check value of the position before the first is in the row before it.
  let at = Math.max(0, head.seq - entriesMax - 1);
  let before = at === 0 ? { seq: 0, check: originCheck } : undefined;
  let tail: FeedTail | undefined;
  while (at < head.seq) {
    const { rows } = await log.readAfter(at, Math.min(rowsMax, head.seq - at));
    if (rows.length === 0) break;
    for (const row of rows) {
      if (row.epoch === head.epoch && before?.seq === row.seq - 1) {
        tail ??= createAfter(before.seq, before.check);
        appendFrame(tail, row, encodeEntry(row));
      } else tail = undefined;
      before = row;
      at = row.seq;
    }
  }
  return tail?.head === head.seq ? tail : createAfter(head.seq, head.check);
}

/** The row after the tail's head. */
export function appendRow(content: FeedContent, row: LogRow): void {
  const encoded = encodeEntry(row);
  appendFrame(content.tail, row, encoded);
  if (row.op === 'put') {
    putLive(content, encoded);
    return;
  }
  if (!content.lines.remove(row.revocationId)) return;
  content.rows.remove(row.revocationId);
  content.cache.apply(encoded.entry);
}

function createLive(): Live {
  const rowWriter = createRowWriter();
  return {
    lines: createLiveSet(readLineHead),
    rows: createLiveSet((row) => readRow(row, rowWriter.words)),
    rowWriter,
    cache: createRevocationCache(),
  };
}

function putLive({ lines, rows, rowWriter, cache }: Live, { entry, line }: EncodedEntry): void {
  if (entry.op !== 'put' || !lines.put(entry, line)) return;
  rows.put(entry, rowWriter.write(entry));
  cache.apply(entry);
}

function appendFrame(tail: FeedTail, row: LogRow, encoded: EncodedEntry): void {
  const prev = formatPosition({ epoch: row.epoch, seq: row.seq - 1 });
  tail.append(
    row.seq,
    row.check,
    entryFrame(row.op, `${encoded.entry.position}-${row.check}`, prev, encoded),
  );
}

import {
  entryVersion,
  type FeedConfiguration,
  type FeedEntry,
  formatPosition,
  type Goodbye,
  type Heartbeat,
  type Hello,
} from '../core/feed.ts';
import type { Json } from '../core/vocabulary.ts';
import type { LogRow } from './ports.ts';

/**
 * How entries and events look on the wire. An entry is encoded once: the line of a snapshot is the data of its event
 * without the leading `prev`.
 */
export type EncodedEntry = { readonly entry: FeedEntry; readonly line: string };

/** The line has its newline. Its head has a fixed form: `readLineHead` relies on it. */
export function encodeEntry(row: Omit<LogRow, 'check'>): EncodedEntry {
  const { v, op: _op, id: _id, ...members } = JSON.parse(row.body) as { readonly [member: string]: Json };
  const entry = {
    v: v ?? entryVersion,
    op: row.op,
    id: row.revocationId,
    position: formatPosition(row),
    ...members,
    committed_at_ms: row.committedAtMs,
  } as FeedEntry;
  return { entry, line: `${JSON.stringify(entry)}\n` };
}

const lineHead = /^\{"v":\d+,"op":"put","id":"([^"\\]+)","position":"([^"\\]+)"/;
/** Longer than the head of any line: ids and positions are ours and short. */
const lineHeadBytes = 192;

export function readLineHead(line: Buffer): { readonly id: string; readonly position: string } {
  const [, id, position] = lineHead.exec(line.toString('utf8', 0, lineHeadBytes)) ?? [];
  if (id === undefined || position === undefined) throw new Error('not a line of the live set');
  return { id, position };
}

/** What ends every event of a stream. JSON never holds it. */
export const frameEnd = '\n\n';

/** The same entry as an event of the stream. */
export function entryFrame(op: LogRow['op'], cursor: string, prev: string, { line }: EncodedEntry): string {
  return `id: ${cursor}\nevent: ${op}\ndata: {"prev":"${prev}",${line.slice(1)}\n`;
}

/** Everything that a stream says beside entries. */
export type StreamEvents = {
  readonly hello: Hello;
  readonly configuration: FeedConfiguration;
  readonly heartbeat: Heartbeat;
  readonly goodbye: Goodbye;
};

export function eventFrame<Name extends keyof StreamEvents>(name: Name, data: StreamEvents[Name]): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}${frameEnd}`);
}

/** Sent at once, so that proxies pass the headers on. */
export const firstComment = Buffer.from(': caep-hub feed\n\n');

export type DecodedFrame = { readonly id: string; readonly event: LogRow['op']; readonly data: unknown };

/** Entry frames as objects, for those who wait by long poll. */
export function decodeFrames(frames: string): readonly DecodedFrame[] {
  return frames
    .split(frameEnd)
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [id = '', event = '', data = ''] = frame
        .split('\n')
        .map((line) => line.slice(line.indexOf(': ') + 2));
      return { id, event: event as LogRow['op'], data: JSON.parse(data) as unknown };
    });
}

import {
  type Cursor,
  type FeedConfiguration,
  feedEvents,
  formatPosition,
  type Goodbye,
  type Heartbeat,
  type Hello,
  parseCursor,
  type StreamedEntry,
} from '../core/feed.ts';
import { asFeedEntry } from './cache/check-entry.ts';

/** An event of the stream, checked for shape. `stranger`: a name of a later version, to be passed over. */
export type FeedMessage =
  | { readonly kind: 'hello'; readonly hello: Hello; readonly from: Cursor }
  | { readonly kind: 'configuration'; readonly configuration: FeedConfiguration }
  | { readonly kind: 'entry'; readonly entry: StreamedEntry; readonly cursor: Cursor; readonly after: Cursor }
  | { readonly kind: 'heartbeat'; readonly heartbeat: Heartbeat; readonly through: Cursor | undefined }
  | { readonly kind: 'goodbye'; readonly goodbye: Goodbye }
  | { readonly kind: 'stranger' };

/** `undefined` for what cannot be understood: then the connection is not to be trusted any further. */
export function readMessage(
  event: string | undefined,
  id: string | undefined,
  data: string,
): FeedMessage | undefined {
  const json = parse(data);
  if (json === undefined) return undefined;
  switch (feedEvents.find((name) => name === event)) {
    case 'hello':
      return readHello(json);
    case 'configuration':
      return Array.isArray(json['issuers'])
        ? { kind: 'configuration', configuration: json as unknown as FeedConfiguration }
        : undefined;
    case 'put':
    case 'lift':
    case 'drop':
      return readEntry(json, id);
    case 'heartbeat':
      return readHeartbeat(json);
    case 'goodbye': {
      const { retry_ms: retryMs, reason } = json;
      return typeof retryMs === 'number' && retryMs >= 0
        ? {
            kind: 'goodbye',
            goodbye: { retry_ms: retryMs, reason: typeof reason === 'string' ? reason : '' },
          }
        : undefined;
    }
    case undefined:
    default:
      return { kind: 'stranger' };
  }
}

type Members = { readonly [member: string]: unknown };

export const cursorOf = (value: unknown): Cursor | undefined =>
  typeof value === 'string' ? parseCursor(value) : undefined;

/** What `Last-Event-ID` and receipts say. */
export const formatCursor = (cursor: Cursor): string =>
  cursor.check === undefined ? formatPosition(cursor) : `${formatPosition(cursor)}-${cursor.check}`;

function parse(data: string): Members | undefined {
  try {
    const json: unknown = JSON.parse(data);
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Members) : undefined;
  } catch {
    return undefined;
  }
}

function readHello(json: Members): FeedMessage | undefined {
  const from = cursorOf(json['from']);
  const heartbeatMs = json['heartbeat_ms'];
  if (!from || typeof json['epoch'] !== 'string' || typeof heartbeatMs !== 'number' || !(heartbeatMs > 0)) {
    return undefined;
  }
  return { kind: 'hello', hello: json as unknown as Hello, from };
}

function readEntry(json: Members, id: string | undefined): FeedMessage | undefined {
  const entry = asFeedEntry(json);
  const after = cursorOf(json['prev']);
  const position = cursorOf(json['position']);
  const cursor = cursorOf(id);
  if (!entry || !after || !position || cursor?.seq !== position.seq || cursor.epoch !== position.epoch) {
    return undefined;
  }
  const { prev: _prev, ...plain } = json;
  return { kind: 'entry', entry: plain as unknown as StreamedEntry, cursor, after };
}

function readHeartbeat(json: Members): FeedMessage | undefined {
  const { through, digest, as_of_ms: asOfMs, stale } = json;
  if (typeof stale !== 'boolean' || typeof asOfMs !== 'number') return undefined;
  if (digest !== undefined && typeof digest !== 'string') return undefined;
  const position = cursorOf(through);
  if (through !== undefined && !position) return undefined;
  return {
    kind: 'heartbeat',
    heartbeat: { as_of_ms: asOfMs, stale, ...(digest !== undefined && { digest }) },
    through: position,
  };
}

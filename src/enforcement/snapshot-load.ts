import { createGunzip } from 'node:zlib';
import type { Cursor, FeedConfiguration } from '../core/feed.ts';
import { createRevocationCache, type RevocationCache } from './cache.ts';
import { asFeedEntry } from './cache/check-entry.ts';
import { cursorOf } from './feed-events.ts';
import type { HubTransport } from './feed-transport.ts';
import { readLines, readObject } from './snapshot-lines.ts';

/** A whole set at one position, in a cache of its own. */
export type LoadedSnapshot = {
  readonly cache: RevocationCache;
  readonly cursor: Cursor;
  readonly configuration: FeedConfiguration;
  /** Its digest is the one that the hub said. */
  readonly isSound: boolean;
};

const answerTimeoutMs = 30_000;
/** Without a byte for so long, the snapshot is given up. */
const silenceMs = 30_000;

/** Takes the hub's snapshot. @throws Error when it cannot be had, is cut off, or has another number of entries than it says. */
export async function loadSnapshot(
  transport: HubTransport,
  compress: boolean,
  stop: AbortSignal,
): Promise<LoadedSnapshot> {
  const incoming = await transport.send({
    method: 'GET',
    path: 'v1/feed/snapshot',
    headers: { accept: 'application/x-ndjson', 'accept-encoding': compress ? 'gzip' : 'identity' },
    stop,
    timeoutMs: answerTimeoutMs,
  });
  if (incoming.statusCode !== 200) {
    // Not read to its end: it may have none.
    incoming.destroy();
    throw new Error(`the hub answered ${incoming.statusCode ?? 0} instead of a snapshot`);
  }
  incoming.setTimeout(silenceMs, () => incoming.destroy(new Error('the snapshot went silent')));
  if (incoming.headers['content-encoding'] !== 'gzip') return readSnapshot(incoming);
  const unzipped = createGunzip();
  incoming.on('error', (cause) => unzipped.destroy(cause));
  return readSnapshot(incoming.pipe(unzipped));
}

async function readSnapshot(source: AsyncIterable<Buffer>): Promise<LoadedSnapshot> {
  const cache = createRevocationCache();
  let header: { readonly cursor: Cursor; readonly configuration: FeedConfiguration } | undefined;
  let trailer: { readonly [member: string]: unknown } | undefined;
  let count = 0;
  await readLines(source, (line) => {
    const json = readObject(line);
    if (!header) header = readHeader(json);
    else if (trailer) throw new Error('something follows the trailer');
    else if (json['op'] === undefined) trailer = json;
    else {
      const entry = asFeedEntry(json);
      if (entry?.op !== 'put') throw new Error('a line is no entry');
      cache.apply(entry);
      count += 1;
    }
  });
  if (!header || !trailer) throw new Error('the snapshot is cut off');
  if (trailer['count'] !== count || cache.size !== count) {
    throw new Error(`the snapshot says ${String(trailer['count'])} entries and has ${count}`);
  }
  return { cache, ...header, isSound: trailer['digest'] === cache.digest() };
}

function readHeader(json: { readonly [member: string]: unknown }) {
  const cursor = cursorOf(json['cursor']);
  if (!cursor || !Array.isArray(json['issuers'])) throw new Error('the snapshot has no header');
  return { cursor, configuration: { issuers: json['issuers'] } as FeedConfiguration };
}

import { createGunzip } from 'node:zlib';
import { type Cursor, type FeedConfiguration, packedSnapshotType } from '../core/feed.ts';
import { createRevocationCache, type RevocationCache } from './cache.ts';
import { asFeedEntry } from './cache/check-entry.ts';
import { dictionaryOf } from './cache/dictionary.ts';
import { cursorOf } from './feed-events.ts';
import type { HubTransport } from './feed-transport.ts';
import { readPackedBody } from './packed-body.ts';
import { readLines, readObject } from './snapshot-lines.ts';

/** A whole set at one position, in a cache of its own. */
export type LoadedSnapshot = {
  readonly cache: RevocationCache;
  readonly cursor: Cursor;
  readonly configuration: FeedConfiguration;
  /** Its digest is the one that the hub said. */
  readonly isSound: boolean;
};

export type SnapshotWish = {
  readonly compress: boolean;
  /** The set as the cache holds it, from a hub that has it so: a quarter of the work. */
  readonly packed: boolean;
};

type Line = { readonly [member: string]: unknown };
type Header = Pick<LoadedSnapshot, 'cursor' | 'configuration'>;

const linesType = 'application/x-ndjson';
const answerTimeoutMs = 30_000;
/** Without a byte for so long, the snapshot is given up. */
const silenceMs = 30_000;

/** Takes the hub's snapshot. @throws Error when it cannot be had, is cut off, makes no sense, or has another number of entries than it says. */
export async function loadSnapshot(
  transport: HubTransport,
  { compress, packed }: SnapshotWish,
  stop: AbortSignal,
): Promise<LoadedSnapshot> {
  const incoming = await transport.send({
    method: 'GET',
    path: 'v1/feed/snapshot',
    headers: {
      accept: packed ? `${packedSnapshotType}, ${linesType};q=0.5` : linesType,
      'accept-encoding': compress ? 'gzip' : 'identity',
    },
    stop,
    timeoutMs: answerTimeoutMs,
  });
  if (incoming.statusCode !== 200) {
    // Not read to its end: it may have none.
    incoming.destroy();
    throw new Error(`the hub answered ${incoming.statusCode ?? 0} instead of a snapshot`);
  }
  incoming.setTimeout(silenceMs, () => incoming.destroy(new Error('the snapshot went silent')));
  const read = incoming.headers['content-type'] === packedSnapshotType ? readPacked : readSnapshot;
  if (incoming.headers['content-encoding'] !== 'gzip') return read(incoming);
  const unzipped = createGunzip();
  incoming.on('error', (cause) => unzipped.destroy(cause));
  return read(incoming.pipe(unzipped));
}

async function readSnapshot(source: AsyncIterable<Buffer>): Promise<LoadedSnapshot> {
  let cache = createRevocationCache();
  let header: Header | undefined;
  let trailer: Line | undefined;
  let count = 0;
  await readLines(source, (line) => {
    const json = readObject(line);
    if (!header) {
      header = readHeader(json);
      cache = createRevocationCache({ expected: json['count'] });
    } else if (trailer) throw new Error('something follows the trailer');
    else if (json['op'] === undefined) trailer = json;
    else {
      const entry = asFeedEntry(json);
      if (entry?.op !== 'put') throw new Error('a line is no entry');
      cache.apply(entry);
      count += 1;
    }
  });
  if (!header || !trailer) throw new Error('the snapshot is cut off');
  return finish(header, cache, count, trailer);
}

async function readPacked(source: AsyncIterable<Buffer>): Promise<LoadedSnapshot> {
  const body = readPackedBody(source);
  const first = readObject(await body.line());
  const header = readHeader(first);
  if (!Array.isArray(first['words'])) throw new Error('the snapshot has no words');
  const cache = createRevocationCache({ words: dictionaryOf(first['words']), expected: first['count'] });
  let count = 0;
  await body.rows((row) => {
    cache.applyRow(row);
    count += 1;
  });
  const trailer = readObject(await body.line());
  await body.end();
  return finish(header, cache, count, trailer);
}

function finish(header: Header, cache: RevocationCache, count: number, trailer: Line): LoadedSnapshot {
  if (trailer['count'] !== count || cache.size !== count) {
    throw new Error(`the snapshot says ${String(trailer['count'])} entries and has ${count}`);
  }
  return { cache, ...header, isSound: trailer['digest'] === cache.digest() };
}

function readHeader(json: Line): Header {
  const cursor = cursorOf(json['cursor']);
  if (!cursor || !Array.isArray(json['issuers'])) throw new Error('the snapshot has no header');
  return { cursor, configuration: { issuers: json['issuers'] } };
}

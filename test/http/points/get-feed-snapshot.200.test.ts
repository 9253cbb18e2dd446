import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  packedSnapshotType,
  type PackedSnapshotHeader,
  type PutEntry,
  type SnapshotHeader,
  type SnapshotTrailer,
} from '../../../src/core/feed.ts';
import { createRevocationCache } from '../../../src/enforcement/cache.ts';
import { dictionaryOf } from '../../../src/enforcement/cache/dictionary.ts';
import { readPackedBody } from '../../../src/enforcement/packed-body.ts';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import { isEntry, openSse } from '../../points/support/sse.ts';
import { lift, putMany } from '../../points/support/write-feed.ts';
import { forEachDatabase } from '../../support/databases.ts';

forEachDatabase('GET /v1/feed/snapshot', (fixture) => {
  let hub: PointsHub;
  let live: readonly string[];
  let instances = 0;
  beforeAll(async () => {
    const entries = await putMany(fixture.database, 1_200);
    await lift(fixture.database, ...entries.slice(0, 400).map(({ id }) => id));
    live = entries.slice(400).map(({ id }) => id);
    hub = await startPointsHub(fixture.database);
    hub.issuers.push({ url: 'https://idp.example' } as (typeof hub.issuers)[number]);
    hub.announce('configuration');
  });
  afterAll(() => hub.close());

  it('is a header with the position, every live entry, and a trailer with their count and digest', async () => {
    const { header, entries, trailer } = parse(await take());
    expect(entries.map(({ id }) => id).sort()).toEqual([...live].sort());
    const cache = createRevocationCache();
    for (const entry of entries) cache.apply(entry);
    expect(trailer).toEqual({ count: live.length, digest: cache.digest() });
    expect(trailer.digest).toBe(hub.points.memory.digest);
    expect(header).toMatchObject({ v: 1, position: `${hub.points.memory.tail.epoch}-1600` });
    expect(header.cursor.startsWith(`${header.position}-`)).toBe(true);
    expect(header.issuers).toEqual(hub.issuers);
    expect(header.nonce_keys).toBeUndefined();
  });

  it.each([
    ['identity', (body: Buffer) => body],
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ])(
    'ADR 17: is the same packed for who names that type, and for nobody else; %s',
    async (encoding, open) => {
      const lines = parse(await take());
      const accept = `${packedSnapshotType}, application/x-ndjson;q=0.5`;
      const taken = await take({ accept, 'accept-encoding': encoding });
      expect(taken.headers['content-type']).toBe(packedSnapshotType);
      expect(taken.headers['vary']).toBe('Accept, Accept-Encoding');
      const body = readPackedBody(Readable.from([open(taken.body)]));
      const { words, ...header } = JSON.parse(await body.line()) as PackedSnapshotHeader;
      expect(header).toEqual(lines.header);
      const cache = createRevocationCache({ words: dictionaryOf(words), expected: header.count });
      await body.rows((row) => cache.applyRow(row));
      expect(JSON.parse(await body.line())).toEqual(lines.trailer);
      await body.end();
      expect(cache.digest()).toBe(lines.trailer.digest);
      const byId = (entries: Iterable<PutEntry>) =>
        [...entries].sort((left, right) => (left.id < right.id ? -1 : 1));
      expect(byId(cache.entries())).toEqual(byId(lines.entries));
      for (const other of ['*/*', 'application/*', `${packedSnapshotType};q=0`, 'application/x-ndjson'])
        expect((await take({ accept: other })).headers['content-type']).toBe('application/x-ndjson');
    },
  );

  it.each([
    ['gzip', 'gzip', gunzipSync],
    ['gzip, deflate, br', 'gzip', gunzipSync],
    ['br', 'br', brotliDecompressSync],
    ['br;q=0, gzip;q=0.5', 'gzip', gunzipSync],
  ])('is compressed as asked: %s', async (asked, chosen, decompress) => {
    const plain = await take();
    const compressed = await take({ 'accept-encoding': asked });
    expect(compressed.headers['content-encoding']).toBe(chosen);
    expect(compressed.headers['vary']).toBe('Accept, Accept-Encoding');
    expect(compressed.body.length).toBeLessThan(plain.body.length / 2);
    expect(decompress(compressed.body).equals(plain.body)).toBe(true);
  });

  it('has an ETag: 304 until the position or the issuers change', async () => {
    const etag = String((await take()).headers['etag']);
    expect((await take({ 'if-none-match': etag })).status).toBe(304);
    expect((await take({ 'if-none-match': `"other", ${etag}`, 'accept-encoding': 'gzip' })).status).toBe(304);
    hub.issuers.push({ url: 'https://idp2.example' } as (typeof hub.issuers)[number]);
    hub.announce('configuration');
    const changed = await take({ 'if-none-match': etag });
    expect(changed.status).toBe(200);
    await putMany(fixture.database, 1);
    await hub.points.memory.refresh();
    expect((await take({ 'if-none-match': String(changed.headers['etag']) })).status).toBe(200);
  });

  it('asked for by many while entries come and go is whole for each of them, and the stream goes on from it', async () => {
    const decompressors: Record<string, (body: Buffer) => Buffer> = {
      gzip: gunzipSync,
      br: brotliDecompressSync,
    };
    const asking = Array.from({ length: 12 }, async (_, index) => {
      const encoding = ['gzip', 'br', 'identity'][index % 3] ?? '';
      const taken = await take({ 'accept-encoding': encoding });
      return parse({ ...taken, body: decompressors[encoding]?.(taken.body) ?? taken.body });
    });
    for (let round = 0; round < 5; round++) {
      const entries = await putMany(fixture.database, 20);
      await lift(fixture.database, ...entries.slice(5).map(({ id }) => id), live[round * 40] ?? '');
      await hub.points.memory.refresh();
      asking.push(take().then(parse));
    }
    const seen = await Promise.all(asking.map(async (taken) => follow(await taken)));
    for (const { trailer, taken, followed, heartbeat } of seen) {
      expect(taken).toBe(trailer.digest);
      expect(followed).toBe(heartbeat);
    }
  });

  /** The digests of a snapshot as taken, and after its stream has come to a heartbeat. */
  async function follow({ header, entries, trailer }: ReturnType<typeof parse>) {
    const cache = createRevocationCache();
    for (const entry of entries) cache.apply(entry);
    const taken = cache.digest();
    const headers = { ...asInstance('edge', `i${instances++}`), 'last-event-id': header.cursor };
    const feed = await openSse(`${hub.url}/v1/feed`, headers);
    const { data } = await feed.until(({ event }) => event === 'heartbeat');
    for (const { data: entry } of feed.events.filter(isEntry)) cache.apply(entry as unknown as PutEntry);
    feed.close();
    return { trailer, taken, followed: cache.digest(), heartbeat: data['digest'] };
  }

  const take = (headers: Record<string, string> = {}) =>
    new Promise<Taken>((resolve, reject) => {
      request(`${hub.url}/v1/feed/snapshot`, { headers: { ...asWatcher, ...headers } }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part)).once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }),
        );
      })
        .once('error', reject)
        .end();
    });
});

type Taken = {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
};

function parse({ body }: Taken) {
  const lines = body
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  return {
    header: lines[0] as SnapshotHeader,
    entries: lines.slice(1, -1) as PutEntry[],
    trailer: lines.at(-1) as SnapshotTrailer,
  };
}

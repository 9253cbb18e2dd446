import { connect } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { aReceipt } from './support/a-receipt.ts';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from './support/points-hub.ts';
import { isEntry, openSse } from './support/sse.ts';
import { aRevocation, put, putMany } from './support/write-feed.ts';
import { forEachDatabase } from '../support/databases.ts';

forEachDatabase('streams of the feed', (fixture) => {
  let hub: PointsHub;
  afterEach(() => hub.close());

  it('a token that ends, a point that is retired and a node that stops say goodbye with a time to come back', async () => {
    hub = await startPointsHub(fixture.database);
    await hub.post('/v1/points', { name: 'edge' });
    const [ended, retired, stopped] = await Promise.all(
      [asWatcher, asInstance('edge', 'one'), asInstance('other', 'one')].map((headers) =>
        openSse(`${hub.url}/v1/feed`, headers),
      ),
    );
    hub.endToken('tok_watcher');
    await ended?.ended;
    await hub.post('/v1/points/edge/retire', {});
    await retired?.ended;
    hub.points.connections.close();
    await stopped?.ended;
    const last = [ended, retired, stopped].map((feed) => feed?.events.at(-1));
    expect(last.map((event) => event?.event)).toEqual(['goodbye', 'goodbye', 'goodbye']);
    expect(last.map((event) => event?.data['reason'])).toEqual(['token-ended', 'retired', 'shutting-down']);
    for (const event of last) expect(event?.data['retry_ms']).toBeGreaterThanOrEqual(0);
    expect((await hub.get('/v1/feed', asWatcher)).status).toBe(503);
    expect(hub.points.connections.count).toBe(0);
  });

  it('a poll that waits ends with its token, with its point, and with its node', async () => {
    hub = await startPointsHub(fixture.database);
    await hub.post('/v1/points', { name: 'polled' });
    const polls = [asWatcher, asInstance('polled', 'one'), asInstance('other', 'one')].map((headers) =>
      hub.get('/v1/feed?wait=changes&timeout_ms=30000', headers),
    );
    while (hub.points.connections.count < 3) await new Promise(setImmediate);
    hub.endToken('tok_watcher');
    const ended = await polls[0]!;
    expect(ended.status).toBe(401);
    expect(ended.headers.get('www-authenticate')).toContain('invalid_token');
    expect(await ended.text()).not.toContain('configuration');
    await hub.post('/v1/points/polled/retire', {});
    expect((await polls[1]!).status).toBe(401);
    hub.points.connections.close();
    expect((await polls[2]!).status).toBe(503);
    expect(hub.points.connections.count).toBe(0);
  });

  it('an instance is connected until the last of its streams has ended', async () => {
    hub = await startPointsHub(fixture.database);
    await hub.post('/v1/points', { name: 'twice' });
    const headers = asInstance('twice', 'one');
    await hub.post('/v1/points/receipts', aReceipt(), headers);
    const stateNow = async () => {
      const { instances } = (await (await hub.get('/v1/points/twice')).json()) as {
        instances: { state: string }[];
      };
      return instances[0]?.state;
    };
    const feeds = [
      await openSse(`${hub.url}/v1/feed`, headers),
      await openSse(`${hub.url}/v1/feed`, headers),
    ];
    feeds[0]?.close();
    while (hub.points.connections.count > 1) await new Promise(setImmediate);
    expect(await stateNow()).toBe('connected');
    feeds[1]?.close();
    while (hub.points.connections.count > 0) await new Promise(setImmediate);
    expect(await stateNow()).toBe('silent');
  });

  it('a stream ends at its age', async () => {
    hub = await startPointsHub(fixture.database, { limits: { ageMsMax: 0, ageJitterMsMax: 0 } });
    const feed = await openSse(`${hub.url}/v1/feed`, asWatcher);
    await feed.ended;
    expect(feed.events.at(-1)).toMatchObject({ event: 'goodbye', data: { reason: 'age' } });
  });

  it('a reader that stops reading is cut off at its limit and delays nobody', async () => {
    hub = await startPointsHub(fixture.database, { limits: { laggingBytesMax: 64 * 1024 } });
    const slow = await deafReader(hub.url);
    const quick = await openSse(`${hub.url}/v1/feed`, asWatcher);
    await quick.until(({ event }) => event === 'configuration');
    while (hub.points.connections.count < 2) await new Promise(setImmediate);
    let entries: readonly { readonly id: string }[] = [];
    while (hub.points.connections.count === 2) {
      const bulky = Array.from({ length: 200 }, () =>
        aRevocation({ restrict: { scope: 'x'.repeat(20_000) } }),
      );
      entries = await put(fixture.database, ...bulky).then(() => bulky);
      hub.announce('feed');
      await quick.until(({ data }) => data['id'] === entries.at(-1)?.id);
    }
    expect(hub.points.connections.count).toBe(1);
    quick.close();
    slow.destroy();
  });

  it('many streams each tell everything, in order, without a gap', async () => {
    hub = await startPointsHub(fixture.database);
    const feeds = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        openSse(`${hub.url}/v1/feed`, asInstance('edge', `i${index}`)),
      ),
    );
    const expected: string[] = [];
    for (let round = 0; round < 10; round++) {
      const entries = await putMany(fixture.database, 3);
      expected.push(...entries.map(({ id }) => id));
      hub.announce('feed');
    }
    await Promise.all(feeds.map((feed) => feed.until(({ data }) => data['id'] === expected.at(-1))));
    for (const feed of feeds) {
      const told = feed.events.filter(isEntry);
      expect(told.map(({ data }) => data['id'])).toEqual(expected);
      for (const [index, { data }] of told.entries()) {
        if (index > 0) expect(data['prev']).toBe(told[index - 1]?.data['position']);
      }
      feed.close();
    }
  });
});

/** Asks for the feed and never reads a byte of it. */
async function deafReader(url: string) {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1').pause();
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`GET /v1/feed HTTP/1.1\r\nHost: hub\r\nAuthorization: ${asWatcher.authorization}\r\n\r\n`);
  return socket;
}

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { epochIntervalMs } from '../../../src/points/feed-start.ts';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import { openSse, type SseClient } from '../../points/support/sse.ts';
import { putMany } from '../../points/support/write-feed.ts';
import { forEachDatabase } from '../../support/databases.ts';

forEachDatabase('GET /v1/feed refuses', (fixture) => {
  let hub: PointsHub;
  const open: SseClient[] = [];
  beforeAll(async () => {
    await putMany(fixture.database, 30);
    hub = await startPointsHub(fixture.database, {
      tailEntriesMax: 20,
      limits: { watcherConnectionsMax: 2, instanceConnectionsMax: 1, connectionsMax: 5 },
    });
  });
  afterEach(async () => {
    open.splice(0).forEach((feed) => feed.close());
    while (hub.points.connections.count > 0) await new Promise(setImmediate);
  });
  afterAll(() => hub.close());

  const cursorAt = (seq: number, check = hub.points.memory.tail.checkOf(seq)) =>
    `${hub.points.memory.tail.epoch}-${seq}-${check}`;
  const ask = async (from: string, headers: Record<string, string> = asWatcher) => {
    const response = await hub.get(`/v1/feed?from=${from}`, headers);
    return { status: response.status, problem: (await response.json()) as Record<string, unknown> };
  };
  const openAs = async (headers: Record<string, string>, query = '') => {
    const feed = await openSse(`${hub.url}/v1/feed${query}`, headers);
    open.push(feed);
    return feed;
  };

  it.each(['abc', 'ffffffff', 'ffffffff-1-zz', '-1', 'ffffffff--1', "7f3a'-1"])(
    '400: %s is no position',
    async (from) => {
      const { status, problem } = await ask(encodeURIComponent(from));
      expect(status).toBe(400);
      expect(problem).toMatchObject({ code: 'invalid-request', errors: [{ path: '/query/from' }] });
    },
  );

  it('400: Last-Event-ID and from that differ', async () => {
    const { status } = await ask(cursorAt(30), { ...asWatcher, 'last-event-id': cursorAt(29) });
    expect(status).toBe(400);
  });

  it('400: a token of a point without the name of the instance; 403: with another point, or as a watcher', async () => {
    expect((await hub.get('/v1/feed', { authorization: 'Bearer edge' })).status).toBe(400);
    expect((await hub.get('/v1/feed', { ...asInstance('edge', 'a'), 'caep-point': 'other/a' })).status).toBe(
      403,
    );
    expect((await hub.get('/v1/feed', { ...asInstance('edge', 'a'), 'caep-point': 'edge/a/b' })).status).toBe(
      400,
    );
    expect((await hub.get('/v1/feed', { ...asWatcher, 'caep-point': 'edge/a' })).status).toBe(403);
    expect((await hub.get('/v1/feed', { authorization: 'Bearer nobody' })).status).toBe(403);
  });

  it('410: a position behind the tail or of another epoch, with where to begin instead', async () => {
    for (const from of [cursorAt(9, '0'.repeat(16)), `${'f'.repeat(8)}-30-${'0'.repeat(16)}`]) {
      const { status, problem } = await ask(from);
      expect(status).toBe(410);
      expect(problem).toMatchObject({ code: 'feed-position-gone', head: cursorAt(30).slice(0, -17) });
      expect(problem['hint']).toContain('/v1/feed/snapshot');
    }
    expect((await openAs(asWatcher, `?from=${cursorAt(10)}`)).response.statusCode).toBe(200);
  });

  it('429: more streams than a token or an instance may have; 503: more than the node serves', async () => {
    await Promise.all([openAs(asWatcher), openAs(asWatcher)]);
    expect((await openAs(asWatcher)).response.statusCode).toBe(429);
    await openAs(asInstance('edge', 'a'));
    expect((await openAs(asInstance('edge', 'a'))).response.statusCode).toBe(429);
    await Promise.all([openAs(asInstance('edge', 'b')), openAs(asInstance('edge', 'c'))]);
    expect((await openAs(asInstance('edge', 'd'))).response.statusCode).toBe(503);
  });

  it('410: a watcher that claims a position of another feed proves nothing', async () => {
    const { epoch } = hub.points.memory.tail;
    expect((await ask(cursorAt(30, 'f'.repeat(16)))).status).toBe(410);
    expect((await ask(cursorAt(31, 'f'.repeat(16)))).status).toBe(410);
    await hub.points.memory.refresh();
    expect(hub.points.memory.tail.epoch).toBe(epoch);
  });

  it('410: a point ahead of the head proves a restored database: one new epoch in an interval, and streams end', async () => {
    const watcher = await openAs(asWatcher);
    const { epoch } = hub.points.memory.tail;
    const from = cursorAt(31, 'f'.repeat(16));
    expect((await ask(from, asInstance('edge', 'a'))).status).toBe(410);
    const opened = hub.points.memory.tail.epoch;
    expect(opened).not.toBe(epoch);
    const { data } = await watcher.until(({ event }) => event === 'goodbye');
    expect(data['reason']).toBe('new-epoch');
    expect(hub.alerts.map(({ kind }) => kind)).toEqual(['feed-epoch-opened']);

    expect((await ask(cursorAt(30, 'f'.repeat(16)), asInstance('edge', 'a'))).status).toBe(410);
    expect(hub.points.memory.tail.epoch).toBe(opened);
    hub.time.aheadMs += epochIntervalMs;
    expect((await ask(cursorAt(30, 'f'.repeat(16)), asInstance('edge', 'a'))).status).toBe(410);
    expect(hub.points.memory.tail.epoch).not.toBe(opened);
  });
});

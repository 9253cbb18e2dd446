import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFeedLog } from '../../../src/adapters/postgres/feed-log.ts';
import type { FeedLog } from '../../../src/points/ports.ts';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import { isEntry, openSse } from '../../points/support/sse.ts';
import { aRevocation, lift, put, putMany } from '../../points/support/write-feed.ts';
import { forEachDatabase } from '../../support/databases.ts';

forEachDatabase('GET /v1/feed', (fixture) => {
  let hub: PointsHub;
  beforeAll(async () => {
    hub = await startPointsHub(fixture.database);
    await hub.post('/v1/points', { name: 'edge' });
  });
  afterAll(() => hub.close());

  const commit = async (...entries: Parameters<typeof put>[1][]) => {
    await put(fixture.database, ...entries);
    hub.announce('feed');
  };

  it('DESIGN §6: answers as an event stream that no proxy buffers, compresses or stores', async () => {
    const feed = await openSse(`${hub.url}/v1/feed`, asWatcher);
    await feed.until(({ event }) => event === 'configuration');
    expect(feed.response.statusCode).toBe(200);
    expect(feed.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    expect(feed.response.headers['transfer-encoding']).toBeUndefined();
    expect(feed.text.startsWith(': ')).toBe(true);
    feed.close();
  });

  it('begins at the head without a position: hello, configuration, then what is new, each naming the one before', async () => {
    const feed = await openSse(`${hub.url}/v1/feed`, asWatcher);
    const { data: hello } = await feed.until(({ event }) => event === 'hello');
    const [one, two] = [aRevocation(), aRevocation({ effect: 'step_up', stepUp: { after: 5 } })];
    await commit(one, two);
    await lift(fixture.database, one.id);
    hub.announce('feed');
    await feed.until(({ event }) => event === 'lift');
    expect(feed.events.slice(0, 2).map(({ event }) => event)).toEqual(['hello', 'configuration']);
    const entries = feed.events.filter(isEntry);
    expect(entries.map(({ event, data }) => [event, data['id']])).toEqual([
      ['put', one.id],
      ['put', two.id],
      ['lift', one.id],
    ]);
    expect(entries[1]?.data).toMatchObject({ v: 1, op: 'put', match: two.match, step_up: { after: 5 } });
    const cursors = [String(hello['head']), ...entries.map(({ id }) => id)];
    for (const [index, { id, data }] of entries.entries()) {
      expect(id.startsWith(`${String(data['position'])}-`)).toBe(true);
      expect(cursors[index]?.startsWith(`${String(data['prev'])}-`)).toBe(true);
    }
    feed.close();
  });

  it('DESIGN §6: a heartbeat says through where this stream has come, and the digest of the head there', async () => {
    const feed = await openSse(`${hub.url}/v1/feed`, asWatcher);
    const entry = aRevocation();
    await commit(entry);
    const { data: told } = await feed.until(({ data }) => data['id'] === entry.id);
    const beat = await feed.until(
      ({ event, data }) => event === 'heartbeat' && data['through'] === told['position'],
    );
    const { rows } = await fixture.database.pool.query<{ digest: string[] }>(
      'SELECT digest FROM hub.feed_head',
    );
    const digest = rows[0]?.digest.map((lane) => Number(lane).toString(16).padStart(8, '0')).join('');
    expect(beat.data).toMatchObject({ digest, stale: false });
    expect(feed.events.indexOf(beat)).toBeGreaterThan(feed.events.findIndex(({ data }) => data === told));
    feed.close();
  });

  it('a stream resumed from any cursor tells exactly what came after it', async () => {
    const whole = await openSse(`${hub.url}/v1/feed`, asWatcher);
    await whole.until(({ event }) => event === 'configuration');
    const entries = await putMany(fixture.database, 12);
    await lift(fixture.database, ...entries.slice(0, 3).map(({ id }) => id));
    hub.announce('feed');
    await whole.until(({ event, data }) => event === 'lift' && data['id'] === entries[2]?.id);
    const told = whole.events.filter(isEntry);
    expect(told).toHaveLength(15);
    for (const [index, { id }] of told.entries()) {
      const resumed = await openSse(`${hub.url}/v1/feed`, { ...asWatcher, 'last-event-id': id });
      if (index < told.length - 1) await resumed.until((event) => event.id === told.at(-1)?.id);
      else await resumed.until(({ event }) => event === 'configuration');
      expect(resumed.events.filter(isEntry)).toEqual(told.slice(index + 1));
      expect(resumed.events[0]?.data).toMatchObject({ from: id, head: told.at(-1)?.id });
      resumed.close();
    }
    whole.close();
  });

  it('Last-Event-ID and from are the same when both are sent', async () => {
    const entry = aRevocation();
    await commit(entry);
    await hub.points.memory.refresh();
    const { tail } = hub.points.memory;
    const cursor = `${tail.epoch}-${tail.head}-${tail.checkOf(tail.head)}`;
    const feed = await openSse(`${hub.url}/v1/feed?from=${cursor}`, {
      ...asWatcher,
      'last-event-id': cursor,
    });
    expect(feed.response.statusCode).toBe(200);
    feed.close();
  });

  it('nonce keys go to the instances of a point, the same for all of them, and to nobody else', async () => {
    const feeds = await Promise.all(
      [asInstance('edge', 'one'), asInstance('edge', 'two'), asInstance('other', 'one'), asWatcher].map(
        (headers) => openSse(`${hub.url}/v1/feed`, headers),
      ),
    );
    const told = await Promise.all(feeds.map((feed) => feed.until(({ event }) => event === 'configuration')));
    const [one, two, other, watcher] = told.map(({ data }) => data['nonce_keys']);
    expect(one).toHaveLength(2);
    expect(two).toEqual(one);
    expect(other).toHaveLength(2);
    expect(other).not.toEqual(one);
    expect(watcher).toBeUndefined();
    for (const feed of feeds) feed.close();
  });

  it('a change of the issuers reaches streams that are open', async () => {
    const feed = await openSse(`${hub.url}/v1/feed`, asWatcher);
    await feed.until(({ event }) => event === 'configuration');
    hub.issuers.push({ url: 'https://idp.example' } as (typeof hub.issuers)[number]);
    hub.announce('configuration');
    const changed = await feed.until(({ data }) =>
      JSON.stringify(data['issuers'] ?? '').includes('idp.example'),
    );
    expect(changed.event).toBe('configuration');
    feed.close();
  });

  it('a node that cannot read the head says stale and not through', async () => {
    const log = createFeedLog({ database: fixture.database });
    let away = false;
    const readAfter: FeedLog['readAfter'] = async (seq, limit) => {
      if (away) throw new Error('the database is away');
      return log.readAfter(seq, limit);
    };
    const blind = await startPointsHub(fixture.database, { log: { ...log, readAfter } });
    away = true;
    const feed = await openSse(`${blind.url}/v1/feed`, asWatcher);
    const { data } = await feed.until(({ event, data }) => event === 'heartbeat' && data['stale'] === true);
    expect(data['through']).toBeUndefined();
    expect(blind.alerts.map(({ kind }) => kind)).toEqual(['feed-unreadable']);
    feed.close();
    await blind.close();
  });
});

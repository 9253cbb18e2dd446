import { afterAll, beforeAll, expect, it } from 'vitest';
import { Agent, request } from 'node:http';
import { createReceiptStore } from '../../../src/adapters/postgres/receipt-store.ts';
import { pointName } from '../../../src/core/vocabulary.ts';
import { aReceipt } from '../../points/support/a-receipt.ts';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import { openSse, type SseEvent } from '../../points/support/sse.ts';
import { aRevocation, put, putMany } from '../../points/support/write-feed.ts';
import { forEachDatabase } from '../../support/databases.ts';

forEachDatabase('GET /v1/feed?wait=changes', (fixture) => {
  let hub: PointsHub;
  beforeAll(async () => {
    hub = await startPointsHub(fixture.database);
  });
  afterAll(() => hub.close());

  const poll = async (query: string, headers: Record<string, string> = asWatcher) => {
    const response = await hub.get(`/v1/feed?wait=changes&${query}`, headers);
    expect(response.status).toBe(200);
    return ((await response.json()) as { events: SseEvent[] }).events;
  };

  it('answers at once what came after the position, and where to go on', async () => {
    const { cursor } = hub.points.memory.view('lines');
    const [one, two] = [aRevocation(), aRevocation()];
    await put(fixture.database, one, two);
    await hub.points.memory.refresh();
    const events = await poll(`from=${cursor}`, asInstance('edge', 'a'));
    expect(events.map(({ event }) => event)).toEqual(['hello', 'configuration', 'put', 'put', 'heartbeat']);
    expect(events[0]?.data).toMatchObject({ from: cursor });
    expect(events[1]?.data['nonce_keys']).toHaveLength(2);
    expect(events[3]?.data).toMatchObject({ id: two.id, prev: events[2]?.data['position'] });
    expect(events[4]?.data).toMatchObject({ through: events[3]?.data['position'], stale: false });
  });

  it('waits for the next entry when there is none', async () => {
    const { cursor } = hub.points.memory.view('lines');
    const polled = poll(`from=${cursor}`);
    while (hub.points.connections.count === 0) await new Promise(setImmediate);
    const entry = aRevocation();
    await put(fixture.database, entry);
    hub.announce('feed');
    expect((await polled).find(({ event }) => event === 'put')?.data['id']).toBe(entry.id);
    expect(hub.points.connections.count).toBe(0);
  });

  it('an instance that polls is connected, though the stream that it had before has ended', async () => {
    await hub.post('/v1/points', { name: 'edge' });
    const one = asInstance('edge', 'one');
    await hub.post('/v1/points/receipts', aReceipt(), one);
    const feed = await openSse(`${hub.url}/v1/feed`, one);
    await feed.until(({ event }) => event === 'heartbeat');
    feed.close();
    while (hub.points.connections.count > 0) await new Promise(setImmediate);
    const stateNow = async () => {
      const { instances } = (await (await hub.get('/v1/points/edge')).json()) as {
        instances: { state: string }[];
      };
      return instances[0]?.state;
    };
    expect(await stateNow()).toBe('silent');
    const polled = poll(`from=${hub.points.memory.view('lines').cursor}`, one);
    while (hub.points.connections.count === 0) await new Promise(setImmediate);
    expect(await stateNow()).toBe('connected');
    hub.time.aheadMs += 12_000;
    await hub.post('/v1/points/receipts', aReceipt(), one);
    await put(fixture.database, aRevocation());
    hub.announce('feed');
    await polled;
    expect(await stateNow()).toBe('connected');
    hub.time.aheadMs += 12_000;
    expect(await stateNow()).toBe('silent');
  });

  it('the other nodes are believed again when the lease of an instance that polled here has run out', async () => {
    await hub.post('/v1/points', { name: 'moved' });
    const one = asInstance('moved', 'one');
    await hub.post('/v1/points/receipts', aReceipt(), one);
    await poll('timeout_ms=0', one);
    hub.time.aheadMs += 12_000;
    const fedUntilMs = Date.now() + hub.time.aheadMs + 9_000;
    const store = createReceiptStore(fixture);
    while (!(await store.readInstances(0)).some(({ point }) => point === 'moved')) continue;
    await store.write({
      instances: [],
      receipts: [],
      denials: [],
      fed: [{ point: pointName('moved'), instance: 'one', fedUntilMs }],
    });
    await hub.points.book.refresh();
    expect([...hub.points.book.instancesOf(pointName('moved'))]).toMatchObject([{ fedUntilMs }]);
  });

  it('many polls over one connection leave no listeners on it', async () => {
    const warnings: string[] = [];
    const note = ({ name }: Error) => void warnings.push(name);
    process.on('warning', note);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let round = 0; round < 15; round++) {
      await new Promise((resolve, reject) => {
        request(`${hub.url}/v1/feed?wait=changes&timeout_ms=0`, { agent, headers: asWatcher }, (response) =>
          response.resume().once('end', resolve),
        )
          .once('error', reject)
          .end();
      });
    }
    await new Promise(setImmediate);
    process.off('warning', note);
    agent.destroy();
    expect(warnings).toEqual([]);
  });

  it('says nothing of an epoch that was opened while it waited: the next request is told to take a snapshot', async () => {
    const { cursor } = hub.points.memory.view('lines');
    const polled = poll(`from=${cursor}`);
    while (hub.points.connections.count === 0) await new Promise(setImmediate);
    await fixture.database.pool.query("UPDATE hub.feed_head SET epoch = 'abcdef01'");
    hub.announce('feed');
    expect((await polled).map(({ event }) => event)).toEqual(['configuration']);
    expect((await hub.get(`/v1/feed?from=${cursor}`, asWatcher)).status).toBe(410);
  });

  it('answers without entries at the timeout', async () => {
    const events = await poll('timeout_ms=0');
    expect(events.map(({ event }) => event)).toEqual(['hello', 'configuration', 'heartbeat']);
  });

  it('gives a thousand at a time, and a heartbeat only with the last', async () => {
    const { cursor } = hub.points.memory.view('lines');
    await putMany(fixture.database, 1_200);
    await hub.points.memory.refresh();
    const first = await poll(`from=${cursor}`);
    expect(first.filter(({ event }) => event === 'put')).toHaveLength(1_000);
    expect(first.at(-1)?.event).toBe('put');
    const second = await poll(`from=${first.at(-1)?.id}`);
    expect(second.filter(({ event }) => event === 'put')).toHaveLength(200);
    expect(second.at(-1)?.event).toBe('heartbeat');
  });
});

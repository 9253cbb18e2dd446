import { afterAll, beforeAll, expect, it } from 'vitest';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import type { SseEvent } from '../../points/support/sse.ts';
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
    const { cursor } = hub.points.memory.view();
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
    const { cursor } = hub.points.memory.view();
    const polled = poll(`from=${cursor}`);
    while (hub.points.connections.count === 0) await new Promise(setImmediate);
    const entry = aRevocation();
    await put(fixture.database, entry);
    hub.announce('feed');
    expect((await polled).find(({ event }) => event === 'put')?.data['id']).toBe(entry.id);
    expect(hub.points.connections.count).toBe(0);
  });

  it('answers without entries at the timeout', async () => {
    const events = await poll('timeout_ms=0');
    expect(events.map(({ event }) => event)).toEqual(['hello', 'configuration', 'heartbeat']);
  });

  it('gives a thousand at a time, and a heartbeat only with the last', async () => {
    const { cursor } = hub.points.memory.view();
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

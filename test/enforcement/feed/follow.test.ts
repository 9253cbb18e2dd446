import { describe, expect, it } from 'vitest';
import type { FeedEntry } from '../../../src/core/feed.ts';
import { createRevocationCache, type RevocationCache } from '../../../src/enforcement/cache.ts';
import { aPoint, aServer, denies, idOf, killOf, until, untilTrue } from './harness.ts';

describe('DESIGN §6: a point follows its hub', () => {
  it('takes the snapshot, then every entry, and is fresh by heartbeat', async () => {
    const server = await aServer();
    server.put(killOf(1));
    server.put(killOf(2));
    const point = aPoint(server);
    await point.client.ready();
    expect([denies(point, 1), denies(point, 2), denies(point, 3)]).toEqual([true, true, false]);
    server.put(killOf(3));
    server.remove('lift', idOf(1));
    server.beat();
    await untilTrue(() => point.client.state().fresh && denies(point, 3));
    expect(denies(point, 1)).toBe(false);
    expect(point.applied.map(({ op, id }) => [op, id])).toEqual([
      ['put', idOf(3)],
      ['lift', idOf(1)],
    ]);
    expect(point.cache.digest()).toBe(server.digest);
    expect(point.troubles).toEqual([]);
    expect(server.requests[0]).toMatchObject({ path: '/v1/feed', authorization: 'Bearer chub_secret' });
  });

  it('enforces what comes while the snapshot is still on its way, and loses nothing of both', async () => {
    const server = await aServer();
    for (const number of [1, 2, 3]) server.put(killOf(number));
    let open = (): void => undefined;
    server.gate = new Promise<void>((resolve) => (open = resolve));
    const point = aPoint(server);
    await untilTrue(() => server.streams === 1);
    server.put(killOf(4));
    server.remove('lift', idOf(2));
    server.put(killOf(3, { reason: 'moved' }));
    await untilTrue(() => denies(point, 4) && denies(point, 3));
    expect(point.client.state()).toMatchObject({ set: 'none', fresh: false });
    expect(denies(point, 1)).toBe(false);
    server.startAt = 3;
    open();
    await point.client.ready();
    expect([1, 2, 3, 4].map((number) => denies(point, number))).toEqual([true, false, true, true]);
    expect(point.cache.digest()).toBe(server.digest);
    expect(point.cache.position).toMatchObject({ seq: 6 });
  });

  it('resumes after a break from the last entry, with its check value', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    server.put(killOf(1));
    await untilTrue(() => denies(point, 1));
    server.dropStreams();
    server.put(killOf(2));
    await untilTrue(() => denies(point, 2));
    expect(server.requests.filter(({ path }) => path === '/v1/feed').map(({ from }) => from)).toEqual([
      undefined,
      '7f3a9c01-1-0011223344556677',
    ]);
    expect(server.requests.filter(({ path }) => path === '/v1/feed/snapshot')).toHaveLength(1);
    expect(point.cache.digest()).toBe(server.digest);
  });

  it('takes a snapshot when its place is gone, and goes on denying meanwhile', async () => {
    const server = await aServer();
    server.put(killOf(1));
    const point = aPoint(server);
    await point.client.ready();
    let open = (): void => undefined;
    server.gate = new Promise<void>((resolve) => (open = resolve));
    server.refuse = { feed: 500 };
    server.dropStreams();
    server.put(killOf(2));
    server.remove('lift', idOf(1));
    server.put(killOf(3));
    server.forgetTail();
    server.refuse = {};
    await untilTrue(() => point.troubles.some(({ code }) => code === 'position-gone'));
    expect(denies(point, 1)).toBe(true);
    open();
    await untilTrue(() => denies(point, 3));
    expect([denies(point, 1), denies(point, 2)]).toEqual([false, true]);
    expect(point.cache.orphanCount).toBe(0);
    expect(point.replaced).toBe(2);
    server.beat();
    await untilTrue(() => point.client.state().fresh);
  });

  it('does not apply what follows a gap, and asks again from where it is', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    const skipped = { prev: `${server.epoch}-1`, ...killOf(9), position: `${server.epoch}-2` };
    server.write(`id: ${server.epoch}-2\nevent: put\ndata: ${JSON.stringify(skipped)}\n\n`);
    await untilTrue(() => point.troubles.some(({ code }) => code === 'gap'));
    await untilTrue(() => server.requests.filter(({ path }) => path === '/v1/feed').length === 2);
    expect(denies(point, 9)).toBe(false);
    expect(server.requests.findLast(({ path }) => path === '/v1/feed')?.from).toBe(
      '7f3a9c01-0-0011223344556677',
    );
  });

  it('does not go backwards', async () => {
    const server = await aServer();
    server.put(killOf(1));
    const point = aPoint(server);
    await point.client.ready();
    const back = { prev: `${server.epoch}-1`, ...killOf(9), position: `${server.epoch}-1` };
    server.write(`id: ${server.epoch}-1\nevent: put\ndata: ${JSON.stringify(back)}\n\n`);
    await until(() => expect(point.troubles.map(({ code }) => code)).toEqual(['gap']));
    expect(denies(point, 9)).toBe(false);
  });

  it('notices by a heartbeat that an entry is missing', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    server.beat({ through: `${server.epoch}-4` });
    await until(() => expect(point.troubles.map(({ code }) => code)).toEqual(['gap']));
  });

  it('passes over events of a later version and leaves a stream that makes no sense', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    server.write('event: telepathy\ndata: {"a":1}\n\n');
    server.put(killOf(1));
    await untilTrue(() => denies(point, 1));
    server.write('event: put\ndata: {"op":"put"}\n\n');
    await untilTrue(() => point.troubles.some(({ code }) => code === 'bad-event'));
    server.put(killOf(2));
    await until(() => expect(denies(point, 2)).toBe(true));
  });

  it('leaves a stream whose events are too deep to be walked, and lives', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    const head = `id: ${server.epoch}-1\nevent: put\ndata: {"prev":"${server.epoch}-0","op":"put","id":"rev_deep"`;
    for (const member of ['v', 'restrict', 'match']) {
      await untilTrue(() => server.streams === 1);
      server.write(`${head},"position":"${server.epoch}-1","${member}":${deep}}\n\n`);
      await untilTrue(() => server.streams === 0);
    }
    expect(point.troubles.map(({ code }) => code)).toEqual(Array(3).fill('bad-event'));
    server.put(killOf(1));
    await until(() => expect(denies(point, 1)).toBe(true));
  });

  it('asks again for an entry that could not be handled', async () => {
    const server = await aServer();
    const cache = createRevocationCache();
    let failures = 0;
    const frail = Object.create(cache, {
      apply: {
        value: (entry: FeedEntry) => {
          failures += 1;
          if (failures === 1) throw new Error('no memory');
          cache.apply(entry);
        },
      },
    }) as RevocationCache;
    const point = { ...aPoint(server, { cache: frail }), cache };
    await point.client.ready();
    server.put(killOf(1));
    await until(() => expect(denies(point, 1)).toBe(true));
    expect(point.troubles).toMatchObject([{ code: 'bad-event', cause: { message: 'no memory' } }]);
  });

  it('comes back after goodbye when it is told to, and after refusals by itself', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    server.refuse = { feed: 401 };
    server.goodbye(1);
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unauthorized'));
    server.refuse = {};
    server.put(killOf(1));
    await until(() => expect(denies(point, 1)).toBe(true));
  });

  it('takes another snapshot when one is cut short, and never one that says more than it has', async () => {
    const server = await aServer();
    server.put(killOf(1));
    server.snapshotLie = { count: 2 };
    const point = aPoint(server);
    await untilTrue(() => server.requests.filter(({ path }) => path === '/v1/feed/snapshot').length >= 3);
    expect(point.client.state().set).toBe('none');
    server.snapshotLie = {};
    await point.client.ready();
    expect(point.troubles.map(({ code }) => code)).toEqual(['bad-snapshot']);
  });

  it('says that it is divergent when a new snapshot does not mend the digest, and takes it back', async () => {
    const server = await aServer();
    server.put(killOf(1));
    const point = aPoint(server);
    await point.client.ready();
    const lie = { digest: 'f'.repeat(32) };
    server.beat(lie);
    await untilTrue(() => point.replaced === 2);
    expect(point.client.state().divergent).toBe(false);
    server.beat(lie);
    await untilTrue(() => point.client.state().divergent);
    expect(point.troubles.map(({ code }) => code)).toEqual(['digest-mismatch', 'divergent']);
    server.beat(lie);
    server.beat();
    await untilTrue(() => !point.client.state().divergent);
    expect(server.requests.filter(({ path }) => path === '/v1/feed/snapshot')).toHaveLength(2);
    expect(denies(point, 1)).toBe(true);
  });

  it('keeps the denials of the epoch before as orphans, lists them, and forgets them when told', async () => {
    const server = await aServer();
    server.put(killOf(1));
    server.put(killOf(2));
    const point = aPoint(server);
    await point.client.ready();
    const [, second] = server.live;
    server.newEpoch('beef0001', second ? [second] : []);
    await untilTrue(() => point.client.state().orphans === 1);
    expect([denies(point, 1), denies(point, 2)]).toEqual([true, true]);
    expect(point.cache.digest()).toBe(server.digest);
    expect(point.troubles.map(({ code }) => code)).toContain('new-epoch');
    await until(() => expect(server.receipts.at(-1)?.orphans).toEqual([idOf(1)]));
    server.put(killOf(3));
    await untilTrue(() => denies(point, 3));
    point.client.forgetOrphans([idOf(1), idOf(2)]);
    expect([denies(point, 1), denies(point, 2)]).toEqual([false, true]);
  });

  it('refuses to send its token in the clear', async () => {
    expect(() => aPoint({ url: 'http://hub.example' })).toThrow(TypeError);
    expect(() => aPoint({ url: 'http://10.0.0.1' })).toThrow(/https/);
  });

  it('goes on when a callback throws', async () => {
    const server = await aServer();
    const point = aPoint(server, {
      onApplied: () => {
        throw new Error('boom');
      },
    });
    await point.client.ready();
    server.put(killOf(1));
    server.put(killOf(2));
    await untilTrue(() => denies(point, 2));
    expect(point.troubles.map(({ code }) => code)).toContain('callback');
  });

  it('hands over issuers and nonce keys whenever they change', async () => {
    const server = await aServer();
    const seen: unknown[] = [];
    const point = aPoint(server, { onConfiguration: (configuration) => seen.push(configuration) });
    await point.client.ready();
    const changed = { issuers: [], nonce_keys: [{ kid: 'a', key: 'b', from: 1, until: 2 }] };
    server.tell(changed);
    await untilTrue(() => seen.length === 2);
    expect(seen).toEqual([{ issuers: [] }, changed]);
  });

  it('ends the wait for readiness by the caller’s signal', async () => {
    const server = await aServer();
    server.refuse = { snapshot: 503 };
    const point = aPoint(server);
    const stop = new AbortController();
    const ready = point.client.ready(stop.signal);
    stop.abort(new Error('enough'));
    await expect(ready).rejects.toThrow('enough');
  });
});

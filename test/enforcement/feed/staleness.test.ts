import { describe, expect, it } from 'vitest';
import { checkEveryMs, createStaleness } from '../../../src/enforcement/staleness.ts';
import { aClock, aPoint, aServer, denies, killOf, until, untilTrue } from './harness.ts';

describe('DESIGN §6: staleness is the time since everything was confirmed', () => {
  it('counts on the monotonic clock from start, from each confirmation, or from the age of the file', () => {
    const clock = aClock();
    const staleness = createStaleness(clock);
    clock.pass(300);
    expect([staleness.staleMs(), staleness.isFresh(1_000)]).toEqual([300, false]);
    staleness.confirm();
    clock.pass(40);
    expect([staleness.staleMs(), staleness.isFresh(1_000)]).toEqual([40, true]);
    clock.pass(2_961);
    expect(staleness.isFresh(1_000)).toBe(false);
    staleness.startFrom(60_000);
    clock.pass(5);
    expect(staleness.staleMs()).toBe(60_005);
  });

  it('is not fresh after a pause of the process until the next confirmation', () => {
    const clock = aClock();
    const staleness = createStaleness(clock);
    staleness.confirm();
    clock.pass(checkEveryMs + 2_000);
    expect(staleness.check()).toBeUndefined();
    staleness.confirm();
    clock.pass(checkEveryMs + 2_001);
    expect(staleness.check()).toBe('paused');
    expect([staleness.isFresh(60_000), staleness.staleMs()]).toEqual([false, checkEveryMs + 2_001]);
    staleness.confirm();
    expect(staleness.isFresh(60_000)).toBe(true);
  });

  it.each([3_600_000, -3_600_000])('adds what the wall clock jumped by: %d ms', (jump) => {
    const clock = aClock();
    const staleness = createStaleness(clock);
    staleness.confirm();
    clock.pass(100);
    clock.jumpWall(jump);
    expect(staleness.check()).toBe('clock-jump');
    expect([staleness.isFresh(60_000), staleness.staleMs()]).toEqual([false, 3_600_100]);
    expect(staleness.check()).toBeUndefined();
    staleness.confirm();
    expect([staleness.isFresh(60_000), staleness.staleMs()]).toEqual([true, 0]);
  });
});

describe('DESIGN §6: only a true heartbeat makes fresh', () => {
  it('is not made fresh by a node that does not know its head, and leaves it', async () => {
    const server = await aServer();
    const clock = aClock();
    const point = aPoint(server, { clock });
    await point.client.ready();
    server.beat();
    await untilTrue(() => point.client.state().fresh);
    clock.pass(700);
    for (let beat = 0; beat < 3; beat += 1)
      server.write('event: heartbeat\ndata: {"as_of_ms":1,"stale":true}\n\n');
    server.refuse = { feed: 503 };
    await untilTrue(() => server.requests.filter(({ path }) => path === '/v1/feed').length >= 2);
    expect(point.client.staleMs()).toBe(700);
  });

  it('is not made fresh by one whose digest is another: something may be missing here', async () => {
    const server = await aServer();
    const clock = aClock();
    const point = aPoint(server, { clock });
    await point.client.ready();
    server.beat();
    await untilTrue(() => point.client.state().fresh);
    clock.pass(2_000);
    server.beat({ digest: 'f'.repeat(32) });
    await untilTrue(() => point.troubles.some(({ code }) => code === 'digest-mismatch'));
    expect(point.client.staleMs()).toBe(2_000);
    await untilTrue(() => point.replaced === 2);
    server.beat({ digest: 'f'.repeat(32) });
    await untilTrue(() => point.client.state().divergent);
    expect(point.client.staleMs()).toBe(2_000);
    server.beat();
    await untilTrue(() => !point.client.state().divergent);
    expect(point.client.staleMs()).toBe(0);
  });

  it('does not believe what lay in the socket while the process stood still: it asks on a new connection', async () => {
    const server = await aServer();
    const clock = aClock();
    const point = aPoint(server, { clock });
    await point.client.ready();
    server.beat();
    await untilTrue(() => point.client.state().fresh);
    clock.pass(60_000);
    server.beat();
    await untilTrue(() => point.troubles.some(({ code }) => code === 'paused'));
    await untilTrue(() => server.requests.filter(({ path }) => path === '/v1/feed').length === 2);
    await untilTrue(() => point.client.state().fresh);
    expect(point.client.staleMs()).toBe(0);
  });

  it('gives up a connection on which nothing comes', async () => {
    const server = await aServer({ heartbeatMs: 20 });
    const point = aPoint(server);
    await point.client.ready();
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.put(killOf(1));
    await until(() => expect(denies(point, 1)).toBe(true));
  });
});

import { describe, expect, it } from 'vitest';
import { aClock, aPoint, aServer, denies, idOf, killOf, until, untilTrue } from './harness.ts';

describe('DESIGN §7: receipts', () => {
  it('says at once what is in force after a denial, with how long it took', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    server.put(killOf(1));
    await until(() => expect(server.receipts.at(-1)?.applied).toBe('7f3a9c01-1-0011223344556677'));
    const receipt = server.receipts.at(-1);
    expect(receipt?.applied_after_ms).toBeGreaterThanOrEqual(0);
    expect(receipt).toMatchObject({ point: 'edge/1', instance: { kind: 'test' } });
  });

  it('introduces itself before it has anything in force', async () => {
    const server = await aServer();
    server.refuse = { snapshot: 503 };
    aPoint(server);
    await until(() => expect(server.receipts).not.toHaveLength(0));
    expect(server.receipts[0]).not.toHaveProperty('applied');
  });

  it('says again what was not heard, once for many', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    await until(() => expect(server.receipts.at(-1)).toHaveProperty('applied'));
    server.refuse = { receipts: 503 };
    for (const number of [1, 2, 3]) server.put(killOf(number));
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    await until(() => expect(server.receipts.at(-1)?.applied).toMatch(/^7f3a9c01-3-/));
    expect(point.troubles.filter(({ code }) => code === 'unreachable')).toHaveLength(1);
  });

  it('tells the first denial of each revocation once', async () => {
    const server = await aServer();
    const clock = aClock();
    const point = aPoint(server, { clock });
    await point.client.ready();
    server.put(killOf(1));
    await untilTrue(() => denies(point, 1));
    clock.pass(25);
    point.client.denied([{ id: idOf(1) }]);
    clock.pass(50);
    point.client.denied([{ id: idOf(1) }]);
    server.put(killOf(2));
    await until(() => expect(server.receipts.at(-1)?.applied).toMatch(/-2-/));
    server.put(killOf(3));
    await until(() => expect(server.receipts.at(-1)?.applied).toMatch(/-3-/));
    expect(server.receipts.flatMap((receipt) => receipt.first_denied ?? [])).toEqual([
      { id: idOf(1), after_ms: 25 },
    ]);
  });

  it('names what it does not apply, and why', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    server.put({ ...killOf(1), v: 9 });
    server.put(killOf(2));
    await until(() =>
      expect(server.receipts.at(-1)?.refused).toEqual([{ id: idOf(1), why: 'unknown version 9' }]),
    );
    expect(point.cache.digest()).toBe(server.digest);
  });

  it('is never ahead of what it does not apply and has not told, however much that is', async () => {
    const server = await aServer();
    for (let number = 1; number <= 150; number += 1) server.put({ ...killOf(number), v: 9 });
    const point = aPoint(server);
    await point.client.ready();
    for (let number = 151; number <= 250; number += 1) server.put({ ...killOf(number), v: 9 });
    server.put(killOf(251));
    await until(() => expect(server.receipts.at(-1)?.applied).toMatch(/^7f3a9c01-251-/));
    const told = new Set<string>();
    for (const { applied, refused = [] } of server.receipts) {
      for (const { id } of refused) told.add(id);
      const upTo = applied === undefined ? 0 : Number(applied.split('-')[1]);
      const untold = Array.from({ length: Math.min(250, upTo) }, (_, index) => idOf(index + 1)).filter(
        (id) => !told.has(id),
      );
      expect(untold).toEqual([]);
    }
    expect(told.size).toBe(250);
  });

  it('says again what it does not apply, in turn, for a hub that has lost it', async () => {
    const server = await aServer();
    for (let number = 1; number <= 150; number += 1) server.put({ ...killOf(number), v: 9 });
    const point = aPoint(server);
    await point.client.ready();
    await until(() => expect(server.receipts.at(-1)?.applied).toMatch(/^7f3a9c01-150-/));
    const before = server.receipts.length;
    for (const number of [151, 152]) {
      server.put(killOf(number));
      await until(() => expect(server.receipts.at(-1)?.applied).toMatch(new RegExp(`-${number}-`)));
    }
    const again = server.receipts.slice(before).flatMap(({ refused = [] }) => refused.map(({ id }) => id));
    expect(new Set(again).size).toBe(150);
  });

  it('says goodbye when it is closed, once', async () => {
    const server = await aServer();
    const point = aPoint(server);
    await point.client.ready();
    await Promise.all([point.client.close(), point.client.close()]);
    expect(server.receipts.filter(({ goodbye }) => goodbye)).toHaveLength(1);
    expect(server.receipts.at(-1)?.goodbye).toBe(true);
    expect(point.client.state().connection).toBe('closed');
    expect(server.streams).toBe(0);
  });
});

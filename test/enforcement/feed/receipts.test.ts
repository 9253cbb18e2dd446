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

describe('DESIGN §7: reports', () => {
  const refusal = { at_ms: 5, code: 'revoked', decision_id: 'a', client_id: 'agent-1', count: 1 };
  const sighting = {
    first_at_ms: 5,
    last_at_ms: 5,
    count: 1,
    iss: 'https://idp.example',
    client_id: 'agent-1',
  };

  it('merges equal ones into a count, and counts each once however often the hub fails', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let at = 0; at < 40; at += 1) {
      point.client.report({ ...refusal, at_ms: 100 - at, decision_id: String(at) });
      point.client.sight({ ...sighting, last_at_ms: 5 + at });
    }
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    await point.client.close();
    const refusals = server.reports.flatMap((report) => report.refusals ?? []);
    const sightings = server.reports.flatMap((report) => report.sightings ?? []);
    expect([refusals.length, refusals[0]?.count, refusals[0]?.at_ms]).toEqual([1, 40, 61]);
    expect(sightings).toEqual([{ ...sighting, count: 40, last_at_ms: 44 }]);
  });

  it('sends theft at once', async () => {
    const server = await aServer();
    const point = aPoint(server);
    point.client.report({ ...refusal, theft: true });
    await until(() => expect(server.reports[0]?.refusals?.[0]?.theft).toBe(true));
  });

  it('holds so many different ones and not more, in batches that the hub takes', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let number = 0; number < 3_000; number += 1) {
      point.client.report({ ...refusal, client_id: `${'c'.repeat(1_000)}${number}` });
    }
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    await until(() => expect(server.reports.flatMap((report) => report.refusals ?? [])).toHaveLength(1_000));
    for (const report of server.reports) expect(JSON.stringify(report).length).toBeLessThan(65_536);
  });

  it('counts bytes: names of many bytes a character make smaller batches, and the hub takes them', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let number = 0; number < 90; number += 1) {
      const name = `${'日'.repeat(900)}${number}`;
      point.client.report({ ...refusal, client_id: name });
      point.client.sight({ ...sighting, client_id: name });
    }
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    await until(() =>
      expect(
        server.reports.flatMap(({ refusals = [], sightings = [] }) => [...refusals, ...sightings]),
      ).toHaveLength(180),
    );
    for (const report of server.reports)
      expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(65_536);
  });

  it('the report of a theft gets through, whatever the thief sends along and however much', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let number = 0; number < 3_000; number += 1) {
      point.client.report({ ...refusal, code: 'invalid-proof', address: `203.0.113.${number}` });
      point.client.report({ ...refusal, client_id: `c${number}` });
    }
    const theft = { ...refusal, code: 'wrong-key', theft: true, presented_jkt: 'k' };
    const long = 'x'.repeat(2_049);
    point.client.report({
      ...theft,
      sub: long,
      jti: 'a\u0000b',
      client_id: '\ud800',
      address: 'a'.repeat(300),
    });
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    await until(() => expect(server.reports[0]?.refusals?.[0]).toMatchObject({ theft: true }));
    expect(server.reports[0]?.refusals?.[0]).toEqual({
      at_ms: 5,
      code: 'wrong-key',
      decision_id: 'a',
      theft: true,
      presented_jkt: 'k',
      address: 'a'.repeat(64),
      count: 1,
    });
    await until(() => expect(server.reports.flatMap((report) => report.refusals ?? [])).toHaveLength(1_001));
    const counted = server.reports.flatMap((report) => report.refusals ?? []);
    expect(counted.find(({ code }) => code === 'invalid-proof')).toMatchObject({ count: 3_000 });
  });

  it('of an actor the wire has no workload, and no name beyond its limits', async () => {
    const server = await aServer();
    const point = aPoint(server);
    const iss = 'https://idp.example';
    const long = 'x'.repeat(2_049);
    const act = [{ iss, sub: 'spiffe://td/a', workload: 'spiffe://td/a' }, { iss: long }, { iss, sub: long }];
    point.client.sight({ ...sighting, act });
    await until(() =>
      expect(server.reports[0]?.sightings).toEqual([
        { ...sighting, act: [{ iss, sub: 'spiffe://td/a' }, { iss }] },
      ]),
    );
  });

  it('one that the hub does not understand takes no other with it', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let number = 0; number < 40; number += 1) {
      point.client.report({ ...refusal, client_id: `c${number}` });
      point.client.sight({ ...sighting, client_id: `c${number}` });
    }
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    server.understands = (body) => !body.includes('"c17"');
    const heard = () =>
      server.reports.flatMap(({ refusals = [], sightings = [] }) => [...refusals, ...sightings]);
    await until(() => expect(heard()).toHaveLength(78));
    expect(heard().filter(({ client_id: name }) => name === 'c17')).toEqual([]);
    await until(() => expect(point.troubles.filter(({ code }) => code === 'unreachable')).toHaveLength(3));
  });

  it('drops what the hub does not understand instead of saying it for ever', async () => {
    const server = await aServer();
    server.refuse = { reports: 400 };
    const point = aPoint(server);
    point.client.report(refusal);
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    server.refuse = {};
    await point.client.close();
    expect(server.reports).toEqual([]);
  });
});

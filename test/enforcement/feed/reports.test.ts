import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import type { HubTransport } from '../../../src/enforcement/feed-transport.ts';
import { closeMsMax, createReports } from '../../../src/enforcement/receipts-reports.ts';
import { deferred } from '../../support/deferred.ts';
import { aPoint, aServer, until, untilTrue } from './harness.ts';

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
    // The first is on its way while the others are merged.
    expect(refusals.map(({ count, at_ms }) => [count, at_ms])).toEqual([
      [1, 100],
      [39, 61],
    ]);
    expect(sightings).toEqual([{ ...sighting, count: 40, last_at_ms: 44 }]);
  });

  it('says a batch again as it was when its answer was lost: the hub knows it by its id', async () => {
    const server = await aServer();
    server.lostAnswers = 2;
    const point = aPoint(server);
    point.client.report({ ...refusal, theft: true });
    await until(() => expect(server.reports.length).toBeGreaterThan(0));
    point.client.report({ ...refusal, theft: true });
    await until(() => expect(server.reports).toHaveLength(4));
    const [first, ...others] = server.reports;
    expect(first?.batch_id).toMatch(/^[A-Za-z0-9_-]{16,64}$/);
    expect(others.slice(0, 2)).toEqual([first, first]);
    expect(others[2]?.batch_id).not.toBe(first?.batch_id);
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
    await until(() => expect(server.reports.flatMap((report) => report.refusals ?? [])).toHaveLength(1_001));
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
    await until(() => expect(server.reports.flatMap((report) => report.refusals ?? [])).toHaveLength(1_002));
    const counted = server.reports.flatMap((report) => report.refusals ?? []);
    const proofs = counted.filter(({ code }) => code === 'invalid-proof');
    expect(proofs.map(({ count }) => count).sort((one, other) => one - other)).toEqual([1, 2_999]);
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
    await until(() =>
      expect(point.troubles.filter(({ code }) => code === 'reports-dropped')).toHaveLength(2),
    );
  });

  it('drops what the hub does not understand instead of saying it for ever', async () => {
    const server = await aServer();
    server.refuse = { reports: 400 };
    const point = aPoint(server);
    point.client.report(refusal);
    await untilTrue(() => point.troubles.some(({ code }) => code === 'reports-dropped'));
    server.refuse = {};
    await point.client.close();
    expect(server.reports).toEqual([]);
  });

  it('at the end sends all that is left, thefts before what the hub did not understand', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let number = 0; number < 450; number += 1) {
      point.client.report({ ...refusal, client_id: `c${number}` });
      point.client.sight({ ...sighting, client_id: `c${number}` });
    }
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unreachable'));
    for (let number = 0; number < 150; number += 1) {
      point.client.report({ ...refusal, client_id: `t${number}`, theft: true });
    }
    server.understands = (body) => !body.includes('"c0"') && !body.includes('"t0"');
    server.refuse = {};
    await point.client.close();
    const refusals = server.reports.flatMap((report) => report.refusals ?? []);
    expect(refusals.slice(0, 149).filter(({ theft }) => theft)).toHaveLength(149);
    expect(refusals).toHaveLength(149 + 449);
    expect(server.reports.flatMap((report) => report.sightings ?? [])).toHaveLength(449);
    const dropped = point.troubles.filter(({ code }) => code === 'reports-dropped');
    expect(dropped.map(({ text }) => text)).toEqual(
      Array.from({ length: 3 }, () => 'reports dropped: 1; the hub does not understand it'),
    );
  });

  it('says how many are lost: for want of room, and when the hub does not hear the last ones', async () => {
    const server = await aServer();
    server.refuse = { reports: 503 };
    const point = aPoint(server);
    for (let number = 0; number < 1_021; number += 1) {
      point.client.report({ ...refusal, client_id: `c${number}` });
    }
    await point.client.close();
    const dropped = point.troubles.filter(({ code }) => code === 'reports-dropped');
    const counts = dropped.map(({ text }) => Number(/^reports dropped: (\d+); /.exec(text)?.[1]));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_021);
    expect(dropped.at(-1)?.cause).toBeInstanceOf(Error);
  });

  it('ends when its time is over, with as much as the hub took by then', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const heard: unknown[] = [];
      const slow: HubTransport = {
        send: async ({ body = '', stop }) => {
          const { promise, resolve, reject } = deferred<IncomingMessage>();
          const answering = setTimeout(() => {
            heard.push(JSON.parse(body));
            resolve(Object.assign(Readable.from([]), { statusCode: 204 }) as unknown as IncomingMessage);
          }, closeMsMax * 0.6);
          stop.addEventListener('abort', () => {
            clearTimeout(answering);
            reject(new Error('stopped'));
          });
          return promise;
        },
        close: () => undefined,
      };
      const dropped: number[] = [];
      const reports = createReports({
        transport: slow,
        onFailure: () => undefined,
        onDropped: (count) => dropped.push(count),
      });
      for (let number = 0; number < 401; number += 1) reports.report({ ...refusal, client_id: `c${number}` });
      const closed = reports.close();
      await vi.advanceTimersByTimeAsync(closeMsMax);
      await closed;
      expect([heard.length, dropped]).toEqual([1, [400]]);
    } finally {
      vi.useRealTimers();
    }
  });
});

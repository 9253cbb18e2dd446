import { afterEach, beforeAll, afterAll, describe, expect, it, vi } from 'vitest';
import { createUpstreamStore } from '../../src/adapters/postgres/upstream-store.ts';
import { createUpstreamTurns } from '../../src/adapters/postgres/upstream-turns.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { verificationDeadlineMs } from '../../src/core/upstream-health.ts';
import { sourceId, type JsonObject } from '../../src/core/vocabulary.ts';
import { createClients } from '../../src/receiver/clients.ts';
import { createLookAfter, type LookAfter } from '../../src/receiver/look-after.ts';
import type { Upstream, UpstreamFailure, UpstreamSettings, UpstreamStore } from '../../src/receiver/ports.ts';
import { healthOf } from '../../src/receiver/upstream-reply.ts';
import { transmitterClients, type OpenedClient } from '../support/a-transmitter-client.ts';
import { aNewUpstream, limitsOf, someSecrets } from '../support/an-upstream.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deferred } from '../support/deferred.ts';
import {
  startUpstream,
  type Upstream as Peer,
  type UpstreamOptions,
} from '../support/upstream-transmitter.ts';

const hubUrl = 'http://localhost:1';
const start = 1_763_764_000_000;
const change = { actor: 'mara', atMs: start };

forEachDatabase('looking after upstreams', (fixture) => {
  let clients: OpenedClient;
  let store: UpstreamStore;
  let lookAfter: LookAfter;
  let peers: Peer[] = [];
  let nowMs = start;
  let told: UpstreamFailure[] = [];
  let count = 0;

  const aLookAfter = () => {
    const announcer = { announce: () => undefined };
    return createLookAfter({
      store,
      turns: createUpstreamTurns({ database: fixture.database, announcer, store }),
      clientOf: createClients({ store, open: clients.open }),
      hubUrl: () => hubUrl,
      newState: () => `state-${++count}`,
      nowMs: () => nowMs,
      chance: () => 1,
      onError(error) {
        throw error;
      },
      onFailure: (_name, failure) => void told.push(failure),
    });
  };
  beforeAll(() => {
    clients = transmitterClients();
    store = createUpstreamStore({
      database: fixture.database,
      announcer: { announce: () => undefined },
      sealer: createSealer(Buffer.alloc(32, 7)),
    });
    lookAfter = aLookAfter();
  });
  afterEach(async () => {
    for (const { name } of await store.list()) await store.remove(name, change);
    for (const peer of peers) await peer.close();
    [peers, told, nowMs] = [[], [], start];
  });
  afterAll(async () => {
    await lookAfter.close();
    await clients.close();
  });

  const aPeer = async (options: UpstreamOptions = {}) => {
    const peer = await startUpstream({
      authorization: { kind: 'token', token: 'hunter2-token' },
      ...options,
    });
    peer.verifies('never');
    peers.push(peer);
    return peer;
  };
  const add = async (peer: Peer, settings: Partial<UpstreamSettings> = {}, name = 'idp') => {
    const upstream = aNewUpstream(name, { issuer: peer.issuer, ...settings }, nowMs);
    await store.add(upstream, someSecrets, limitsOf(peer.issuer), change);
    return upstream;
  };
  const find = async (name = 'idp'): Promise<Upstream> => (await store.find(name))!;
  const look = async (name = 'idp') => (await lookAfter.now(name, { actor: 'hub' })).kind;
  const state = async () => healthOf(await find(), nowMs).state;
  const arrive = async () => store.note(sourceId('idp'), { verifiedAtMs: nowMs, failure: null });
  const asked = (peer: Peer, method: string, place = 'streams') =>
    peer.requests.filter((one) => one.place === place && one.method === method);
  const audited = async (): Promise<string[]> => {
    const { rows } = await fixture.database.pool.query<{ action: string }>(
      "SELECT action FROM hub.audit_log WHERE target = 'idp' ORDER BY id",
    );
    return rows.map(({ action }) => action);
  };

  it.each(['push', 'poll'] as const)(
    'SSF 1.0 §8.1.1.1: its stream is made for %s, once, and asked to verify',
    async (delivery) => {
      const peer = await aPeer();
      const { id } = await add(peer, { delivery });
      expect(await look()).toBe('done');
      const [stream] = [...peer.streams.values()];
      const { binding, verification, streamStatus } = await find();
      expect(binding).toMatchObject({
        jwksUri: peer.jwksUri,
        audience: [stream?.aud],
        streamId: stream?.id,
        eventsDelivered: expect.arrayContaining([expect.stringContaining('session-revoked')]),
        boundAtMs: nowMs,
      });
      expect(stream?.eventsRequested.some((uri) => uri.startsWith('urn:caep-hub'))).toBe(false);
      if (delivery === 'push') {
        const authorization = someSecrets.pushAuthorization;
        expect(stream?.delivery).toMatchObject({ endpointUrl: `${hubUrl}/ssf/push/${id}`, authorization });
        expect(binding?.pollUrl).toBeUndefined();
      } else expect(binding?.pollUrl).toBe(stream?.delivery.endpointUrl);
      expect(streamStatus).toEqual({ status: 'enabled' });
      expect(verification).toEqual({ state: `state-${count}`, requestedAtMs: nowMs });
      expect(JSON.parse(asked(peer, 'POST', 'verification')[0]!.body)).toEqual({
        stream_id: stream?.id,
        state: `state-${count}`,
      });
      expect(await state()).toBe('unverified');

      await arrive();
      expect(await state()).toBe('verified');
      expect(await look()).toBe('done');
      expect((await find()).binding).toEqual(binding);
      expect((await find()).dueAtMs).toBe(nowMs + 600_000);
      expect([asked(peer, 'POST').length, asked(peer, 'PATCH').length]).toEqual([1, 0]);
      expect(asked(peer, 'POST', 'verification')).toHaveLength(1);
    },
  );

  it('a stream of its own that was forgotten here is found again, not made again', async () => {
    const peer = await aPeer({ streamsMax: 5 });
    for (const delivery of ['push', 'poll'] as const) {
      await add(peer, { delivery });
      await look();
      const before = (await find()).binding?.streamId;
      await store.note(sourceId('idp'), { binding: null });
      expect(await look()).toBe('done');
      expect((await find()).binding?.streamId).toBe(before);
      await store.remove(sourceId('idp'), change);
      peer.forgetStreams();
    }
    expect(asked(peer, 'POST')).toHaveLength(2);
  });

  it('SSF 1.0 §8.1.1.1: after 409 the one stream there is is adopted, with our delivery, secret and events', async () => {
    const peer = await aPeer();
    const there = peer.addStream({ description: 'of an older hub', events_requested: ['urn:example:old'] });
    const { id } = await add(peer, { eventsRequested: ['urn:example:new'] });
    expect(await look()).toBe('done');
    expect((await find()).binding?.streamId).toBe(there.id);
    expect(peer.streams.size).toBe(1);
    expect(there).toMatchObject({
      eventsRequested: ['urn:example:new'],
      delivery: { endpointUrl: `${hubUrl}/ssf/push/${id}`, authorization: someSecrets.pushAuthorization },
    });
    expect((await audited()).at(-1)).toBe('upstream.connected');
  });

  it('a stream of another upstream here is not adopted, and of several none', async () => {
    const peer = await aPeer();
    await add(peer);
    await look();
    await add(peer, {}, 'other');
    expect(await look('other')).toBe('failed');
    expect((await find('other')).failure).toMatchObject({
      step: 'connect',
      text: expect.stringContaining('none that is there is free'),
    });
    await store.remove(sourceId('idp'), change);
    peer.addStream({});
    expect(await look('other')).toBe('failed');
    expect((await find('other')).failure?.text).toContain('has 2 that may be in use');
    expect(asked(peer, 'PATCH')).toHaveLength(0);
  });

  it('SSF 1.0 §8.1.1.2: an id that its Transmitter forgot is not used again', async () => {
    const peer = await aPeer();
    await add(peer);
    await look();
    await arrive();
    const stale = (await find()).binding?.streamId;
    peer.forgetStreams();
    expect(await look()).toBe('done');
    const now = await find();
    expect(now.binding?.streamId).toBe([...peer.streams.keys()][0]);
    expect(now.binding?.streamId).not.toBe(stale);
    expect([now.verification.verifiedAtMs, now.verification.requestedAtMs]).toEqual([undefined, nowMs]);
    expect((await audited()).slice(-2)).toEqual(['upstream.stream-lost', 'upstream.connected']);

    peer.forgetStreams();
    peer.misbehave('streams', { kind: 'answers', status: 503 }, 2);
    await look();
    expect((await find()).binding).toBeDefined();
    peer.behave();
    peer.misbehave('streams', { kind: 'answers', status: 404 });
    expect(await look()).toBe('failed');
    expect((await find()).binding).toBeUndefined();
  });

  it('what somebody changed at its Transmitter is asked for again', async () => {
    const peer = await aPeer();
    await add(peer);
    await look();
    const [stream] = [...peer.streams.values()];
    stream!.eventsRequested = [];
    expect(await look()).toBe('done');
    expect(stream!.eventsRequested.length).toBeGreaterThan(10);
  });

  it('a jwks_uri that moved is followed; an audience that changed is not, until somebody connects anew', async () => {
    const peer = await aPeer();
    await add(peer);
    await look();
    const moved = `${peer.issuer}/moved`;
    peer.misbehave('metadata', { kind: 'lies', change: (body) => ({ ...body, jwks_uri: moved }) });
    nowMs += 1_000;
    expect(await look()).toBe('done');
    expect((await find()).binding).toMatchObject({ jwksUri: moved, boundAtMs: nowMs });
    expect((await audited()).at(-1)).toBe('upstream.followed');
    const [stream] = [...peer.streams.values()];
    const aud = stream!.aud;
    stream!.aud = 'https://somebody.else';
    expect(await look()).toBe('failed');
    expect((await find()).binding?.audience).toEqual([aud]);
    await lookAfter.now('idp', { actor: 'mara', anew: true });
    expect((await find()).binding?.audience).toEqual(['https://somebody.else']);
  });

  type Lie = (body: JsonObject) => JsonObject;
  const withoutApi: Lie = ({ configuration_endpoint: _none, ...rest }) => rest;
  const pollOnly: Lie = (body) => ({ ...body, delivery_methods_supported: ['urn:ietf:rfc:8936'] });
  it.each([
    [
      '§7.2.4 metadata of another issuer',
      'metadata',
      { kind: 'lies', change: (body) => ({ ...body, issuer: 'https://evil.example' }) },
      'discover',
    ],
    [
      '§4.1.6 a stream of another issuer',
      'streams',
      {
        kind: 'lies',
        change: (body) => (Array.isArray(body) ? body : { ...body, iss: 'https://evil.example' }),
      },
      'connect',
    ],
    ['no management API', 'metadata', { kind: 'lies', change: withoutApi }, 'connect'],
    ['no push', 'metadata', { kind: 'lies', change: pollOnly }, 'connect'],
    ['credentials that are refused', 'streams', { kind: 'answers', status: 401 }, 'authorize'],
    ['a Transmitter in trouble', 'streams', { kind: 'answers', status: 500 }, 'connect'],
    ['no status', 'status', { kind: 'answers', status: 500 }, 'status'],
    ['no verification', 'verification', { kind: 'answers', status: 500 }, 'verify'],
    ['no metadata', 'metadata', { kind: 'hangs-up' }, 'discover'],
  ] as const satisfies readonly (readonly [
    string,
    Parameters<Peer['misbehave']>[0],
    Parameters<Peer['misbehave']>[1],
    string,
  ])[])(
    '%s: it fails at that step, says so, and works when that is over',
    async (_name, place, how, step) => {
      const peer = await aPeer();
      await add(peer);
      peer.misbehave(place, how);
      expect(await look()).toBe('failed');
      const { failure, dueAtMs } = await find();
      expect(failure).toMatchObject({ step, attempts: 1, atMs: nowMs });
      expect(told).toEqual([failure]);
      expect(dueAtMs).toBe(nowMs + 5_000);
      expect(await state()).toBe('failing');
      expect(JSON.stringify(await find())).not.toMatch(/hunter2|evil/);
      peer.behave();
      expect(await look()).toBe('done');
      expect((await find()).failure).toBeUndefined();
      expect(peer.streams.size).toBe(1);
    },
  );

  it('failures are tried again more and more seldom, and never before Retry-After', async () => {
    const peer = await aPeer();
    await add(peer);
    const waits: number[] = [];
    const fail = async (headers: Record<string, string> = {}) => {
      peer.misbehave('streams', { kind: 'answers', status: 429, headers });
      await look();
      waits.push((await find()).dueAtMs - nowMs);
    };
    for (let count = 0; count < 10; count++) await fail();
    await fail({ 'retry-after': '2000' });
    expect(waits).toEqual([
      5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 900_000, 900_000, 2_000_000,
    ]);
  });

  it('SSF 1.0 §8.1.4: what does not come in time is silence, until it comes', async () => {
    const peer = await aPeer();
    await add(peer);
    await look();
    nowMs += verificationDeadlineMs;
    expect((await find()).dueAtMs).toBe(nowMs);
    expect(await look()).toBe('done');
    const first = await find();
    expect(first.failure).toMatchObject({ step: 'verify', isSilence: true, attempts: 1 });
    expect(first.verification).toMatchObject({ state: `state-${count}`, requestedAtMs: nowMs });
    expect(await state()).toBe('silent');
    nowMs += 1_000;
    await look();
    expect(await state()).toBe('silent');
    nowMs += verificationDeadlineMs;
    await look();
    expect((await find()).failure?.attempts).toBe(2);
    await arrive();
    expect(await state()).toBe('verified');
    nowMs += 600_000 * 3 + 1;
    expect(await state()).toBe('silent');
  });

  it('min_verification_interval is kept to, and a stream that is stopped is not asked', async () => {
    const peer = await aPeer({ minVerificationSeconds: 7_200 });
    await add(peer);
    await look();
    await arrive();
    await lookAfter.now('idp', { actor: 'mara', verify: true });
    nowMs += 700_000;
    await look();
    expect(asked(peer, 'POST', 'verification')).toHaveLength(1);
    nowMs += 7_200_000;
    [...peer.streams.values()][0]!.status = 'disabled';
    expect(await look()).toBe('done');
    expect(asked(peer, 'POST', 'verification')).toHaveLength(1);
    expect(await state()).toBe('failing');
  });

  it('without management API it is bound to what a person said, and nothing is asked', async () => {
    const peer = await aPeer();
    const unmanaged = { jwksUri: peer.jwksUri, audience: ['hub'], pollUrl: `${peer.issuer}/poll/x` };
    await add(peer, { delivery: 'poll', unmanaged });
    expect(await look()).toBe('done');
    expect((await find()).binding).toEqual({
      ...unmanaged,
      endpoints: {},
      criticalSubjectMembers: [],
      boundAtMs: nowMs,
    });
    expect(peer.requests).toEqual([]);
    expect(await state()).toBe('unverified');
  });

  describe('one node at a time', () => {
    it('due ones are looked after by wake, each once, whoever wakes', async () => {
      const peer = await aPeer({ streamsMax: 10 });
      for (let at = 0; at < 8; at++) await add(peer, {}, `many-${at}`);
      await store.setPaused(sourceId('many-7'), true, change);
      const others = [aLookAfter(), aLookAfter()];
      for (const one of [lookAfter, ...others, lookAfter]) one.wake();
      await vi.waitUntil(
        async () => (await store.list()).filter(({ binding }) => binding !== undefined).length === 7,
        { timeout: 60_000 },
      );
      for (const one of others) await one.close();
      await vi.waitUntil(
        async () => (await store.list()).every(({ dueAtMs, paused }) => paused || dueAtMs > nowMs),
        { timeout: 60_000 },
      );
      expect(peer.streams.size).toBe(7);
      expect(asked(peer, 'POST')).toHaveLength(7);
      expect(asked(peer, 'POST', 'verification')).toHaveLength(7);
    });

    it('what a slow round finds out counts only while it has its turn', async () => {
      const peer = await aPeer();
      await add(peer);
      const until = deferred();
      peer.misbehave('metadata', { kind: 'slow', until: until.promise }, 1);
      const slow = lookAfter.now('idp', { actor: 'hub' });
      await vi.waitUntil(() => peer.requests.length > 0);
      // Its node froze for longer than a turn lasts.
      nowMs += 200_000;
      expect(await look()).toBe('done');
      const before = await find();
      until.resolve();
      await expect(slow).rejects.toMatchObject({ code: 'conflict' });
      expect(await find()).toEqual(before);
      expect(peer.streams.size).toBe(1);
    });

    it('what was found to be due meanwhile stays due', async () => {
      const peer = await aPeer();
      await add(peer);
      const until = deferred();
      peer.misbehave('metadata', { kind: 'slow', until: until.promise }, 1);
      const round = lookAfter.now('idp', { actor: 'hub' });
      await vi.waitUntil(() => peer.requests.length > 0);
      await store.note(sourceId('idp'), { dueAtMs: nowMs + 7 });
      until.resolve();
      await round;
      expect((await find()).dueAtMs).toBe(nowMs + 7);
    });
  });
});

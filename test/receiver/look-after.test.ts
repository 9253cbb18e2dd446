import { expect, it } from 'vitest';
import { sourceId, type JsonObject } from '../../src/core/vocabulary.ts';
import { someSecrets } from '../support/an-upstream.ts';
import { forEachDatabase } from '../support/databases.ts';
import type { Upstream as Peer } from '../support/upstream-transmitter.ts';
import { lookingAfter } from './a-look-after.ts';

forEachDatabase('looking after upstreams', (fixture) => {
  const at = lookingAfter(fixture);

  it.each(['push', 'poll'] as const)(
    'SSF 1.0 §8.1.1.1: its stream is made for %s, once, and asked to verify',
    async (delivery) => {
      const peer = await at.aPeer();
      const { id } = await at.add(peer, { delivery });
      expect(await at.look()).toBe('done');
      const [stream] = [...peer.streams.values()];
      const { binding, verification, streamStatus } = await at.find();
      expect(binding).toMatchObject({
        jwksUri: peer.jwksUri,
        audience: [stream?.aud],
        streamId: stream?.id,
        eventsDelivered: expect.arrayContaining([expect.stringContaining('session-revoked')]),
        boundAtMs: at.nowMs,
      });
      expect(stream?.eventsRequested.some((uri) => uri.startsWith('urn:caep-hub'))).toBe(false);
      if (delivery === 'push') {
        const authorization = someSecrets.pushAuthorization;
        expect(stream?.delivery).toMatchObject({ endpointUrl: `${at.hubUrl}/ssf/push/${id}`, authorization });
        expect(binding?.pollUrl).toBeUndefined();
      } else expect(binding?.pollUrl).toBe(stream?.delivery.endpointUrl);
      expect(streamStatus).toEqual({ status: 'enabled' });
      expect(verification).toEqual({ state: at.lastState(), requestedAtMs: at.nowMs });
      expect(JSON.parse(at.asked(peer, 'POST', 'verification')[0]!.body)).toEqual({
        stream_id: stream?.id,
        state: at.lastState(),
      });
      expect(await at.state()).toBe('unverified');

      await at.arrive();
      expect(await at.state()).toBe('verified');
      expect(await at.look()).toBe('done');
      expect((await at.find()).binding).toEqual(binding);
      expect((await at.find()).dueAtMs).toBe(at.nowMs + 600_000);
      expect([at.asked(peer, 'POST').length, at.asked(peer, 'PATCH').length]).toEqual([1, 0]);
      expect(at.asked(peer, 'POST', 'verification')).toHaveLength(1);
    },
  );

  it('a stream of its own that was forgotten here is found again, not made again', async () => {
    const peer = await at.aPeer({ streamsMax: 5 });
    for (const delivery of ['push', 'poll'] as const) {
      await at.add(peer, { delivery });
      await at.look();
      const before = (await at.find()).binding?.streamId;
      await at.store.note(sourceId('idp'), { binding: null });
      expect(await at.look()).toBe('done');
      expect((await at.find()).binding?.streamId).toBe(before);
      await at.store.remove(sourceId('idp'), at.change);
      peer.forgetStreams();
    }
    expect(at.asked(peer, 'POST')).toHaveLength(2);
  });

  it('SSF 1.0 §8.1.1.1: after 409 the one stream there is is adopted, with our delivery, secret and events', async () => {
    const peer = await at.aPeer();
    const there = peer.addStream({ description: 'of an older hub', events_requested: ['urn:example:old'] });
    const { id } = await at.add(peer, { eventsRequested: ['urn:example:new'] });
    expect(await at.look()).toBe('done');
    expect((await at.find()).binding?.streamId).toBe(there.id);
    expect(peer.streams.size).toBe(1);
    expect(there).toMatchObject({
      eventsRequested: ['urn:example:new'],
      delivery: { endpointUrl: `${at.hubUrl}/ssf/push/${id}`, authorization: someSecrets.pushAuthorization },
    });
    expect((await at.audited()).at(-1)).toBe('upstream.connected');
  });

  it('a stream of another upstream here is not adopted, and of several none', async () => {
    const peer = await at.aPeer();
    await at.add(peer);
    await at.look();
    await at.add(peer, {}, 'other');
    expect(await at.look('other')).toBe('failed');
    expect((await at.find('other')).failure).toMatchObject({
      step: 'connect',
      text: expect.stringContaining('none that is there is free'),
    });
    await at.store.remove(sourceId('idp'), at.change);
    peer.addStream({});
    expect(await at.look('other')).toBe('failed');
    expect((await at.find('other')).failure?.text).toContain('has 2 that may be in use');
    expect(at.asked(peer, 'PATCH')).toHaveLength(0);
  });

  it('SSF 1.0 §8.1.1.2: an id that its Transmitter forgot is not used again', async () => {
    const peer = await at.aPeer();
    await at.add(peer);
    await at.look();
    await at.arrive();
    const stale = (await at.find()).binding?.streamId;
    peer.forgetStreams();
    expect(await at.look()).toBe('done');
    const now = await at.find();
    expect(now.binding?.streamId).toBe([...peer.streams.keys()][0]);
    expect(now.binding?.streamId).not.toBe(stale);
    expect([now.verification.verifiedAtMs, now.verification.requestedAtMs]).toEqual([undefined, at.nowMs]);
    expect((await at.audited()).slice(-2)).toEqual(['upstream.stream-lost', 'upstream.connected']);

    peer.forgetStreams();
    peer.misbehave('streams', { kind: 'answers', status: 503 }, 2);
    await at.look();
    expect((await at.find()).binding).toBeDefined();
    peer.behave();
    peer.misbehave('streams', { kind: 'answers', status: 404 });
    expect(await at.look()).toBe('failed');
    expect((await at.find()).binding).toBeUndefined();
  });

  it('what somebody changed at its Transmitter is asked for again', async () => {
    const peer = await at.aPeer();
    await at.add(peer);
    await at.look();
    const [stream] = [...peer.streams.values()];
    stream!.eventsRequested = [];
    expect(await at.look()).toBe('done');
    expect(stream!.eventsRequested.length).toBeGreaterThan(10);
  });

  it('a jwks_uri that moved is followed; an audience that changed is not, until somebody connects anew', async () => {
    const peer = await at.aPeer();
    await at.add(peer);
    await at.look();
    const moved = `${peer.issuer}/moved`;
    peer.misbehave('metadata', { kind: 'lies', change: (body) => ({ ...body, jwks_uri: moved }) });
    at.nowMs += 1_000;
    expect(await at.look()).toBe('done');
    expect((await at.find()).binding).toMatchObject({ jwksUri: moved, boundAtMs: at.nowMs });
    expect((await at.audited()).at(-1)).toBe('upstream.followed');
    const [stream] = [...peer.streams.values()];
    const aud = stream!.aud;
    stream!.aud = 'https://somebody.else';
    expect(await at.look()).toBe('failed');
    expect((await at.find()).binding?.audience).toEqual([aud]);
    await at.lookAfter.now('idp', { actor: 'mara', anew: true });
    expect((await at.find()).binding?.audience).toEqual(['https://somebody.else']);
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
      const peer = await at.aPeer();
      await at.add(peer);
      peer.misbehave(place, how);
      expect(await at.look()).toBe('failed');
      const { failure, dueAtMs } = await at.find();
      expect(failure).toMatchObject({ step, attempts: 1, atMs: at.nowMs });
      expect(at.told()).toEqual([failure]);
      expect(dueAtMs).toBe(at.nowMs + 5_000);
      expect(await at.state()).toBe('failing');
      expect(JSON.stringify(await at.find())).not.toMatch(/hunter2|evil/);
      peer.behave();
      expect(await at.look()).toBe('done');
      expect((await at.find()).failure).toBeUndefined();
      expect(peer.streams.size).toBe(1);
    },
  );

  it('failures are tried again more and more seldom, and never before Retry-After', async () => {
    const peer = await at.aPeer();
    await at.add(peer);
    const waits: number[] = [];
    const fail = async (headers: Record<string, string> = {}) => {
      peer.misbehave('streams', { kind: 'answers', status: 429, headers });
      await at.look();
      waits.push((await at.find()).dueAtMs - at.nowMs);
    };
    for (let count = 0; count < 10; count++) await fail();
    await fail({ 'retry-after': '2000' });
    expect(waits).toEqual([
      5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 900_000, 900_000, 2_000_000,
    ]);
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { aDownstreamReceiver, type DownstreamReceiver } from '../support/downstream-receiver.ts';
import { startHub, type Hub } from '../support/a-hub.ts';

const caep = 'https://schemas.openid.net/secevent/caep/event-type/';
const risc = 'https://schemas.openid.net/secevent/risc/event-type/';
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/';
const everything = [
  `${caep}session-revoked`,
  `${risc}credential-compromise`,
  `${risc}account-disabled`,
  `${risc}account-enabled`,
];

/** A Receiver that failed for a while is left alone for about as long: the slower the machine, the longer. */
const patienceMs = 300_000;

/** A SIEM posts events; Receivers that push and poll, healthy and sick, hear of them. */
describe('one event reaches every Receiver that asked for it', { timeout: patienceMs + 60_000 }, () => {
  let hub: Hub;
  let keys: JSONWebKeySet;
  const peers: DownstreamReceiver[] = [];

  beforeAll(async () => {
    hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1' });
    keys = (await hub.call('GET', '/jwks.json', { token: null })).body as unknown as JSONWebKeySet;
    await hub.call('PUT', '/v1/issuers', { body: { url: 'https://idp.example', profile: 'rfc9068' } });
    await hub.call('PUT', '/v1/sources/soc', { body: { kills_per_minute: 10_000 } });
  });
  afterAll(async () => {
    await Promise.all(peers.map((peer) => peer.close()));
    await hub.stop();
  });

  const aPeer = async (options = {}): Promise<DownstreamReceiver> => {
    const peer = await aDownstreamReceiver({ keys: () => keys, ...options });
    peers.push(peer);
    return peer;
  };
  const tokenOf = async (actor: string, scopes: readonly string[]): Promise<string> => {
    const made = await hub.call('POST', '/v1/tokens', { body: { actor, scopes, source: 'soc' } });
    return made.body['token'] as string;
  };
  const aStream = async (receiver: string, body: object) => {
    const token = await tokenOf(receiver, ['ssf.manage', 'ssf.read']);
    const made = await hub.call('POST', '/ssf/streams', {
      token,
      body: { events_requested: everything, ...body },
    });
    expect(made.status, made.text).toBe(201);
    const {
      stream_id: id,
      delivery,
      aud,
    } = made.body as {
      stream_id: string;
      aud: string;
      delivery: { endpoint_url: string };
    };
    return { id, aud, token, pollPath: new URL(delivery.endpoint_url).pathname };
  };
  const push = (peer: DownstreamReceiver, more = {}) => ({
    delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: peer.url, ...more },
  });
  const post = async (event: string, client: string, more = {}) => {
    const body = { event, subject: { iss: 'https://idp.example', client_id: client }, ...more };
    const answer = await hub.call('POST', '/v1/signals', { body });
    expect(answer.status, answer.text).toBe(202);
    return answer.body as { signal_id: string; txn: string };
  };
  const clientOf = (claims: unknown) =>
    (claims as { sub_id: { application: { sub: string } } }).sub_id.application.sub;

  it('RFC 8935 §2: is signed, pushed with the Authorization that was given, and verified by a Receiver that knows only the issuer', async () => {
    const peer = await aPeer({ authorization: 'Bearer of good news' });
    const stream = await aStream('shop', push(peer, { authorization_header: 'Bearer of good news' }));
    const { txn } = await post('session-revoked', 'pushed-1', { reason: 'stolen laptop' });
    await peer.reached(1);
    const [received] = peer.received;
    expect(received?.headers).toMatchObject({
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      authorization: 'Bearer of good news',
    });
    const { payload, protectedHeader } = await jwtVerify(received?.body ?? '', createLocalJWKSet(keys), {
      audience: stream.aud,
      issuer: `http://localhost:${new URL(hub.url).port}`,
      typ: 'secevent+jwt',
    });
    expect(Object.keys(protectedHeader).sort()).toEqual(['alg', 'kid', 'typ']);
    expect(payload).toMatchObject({
      txn,
      sub_id: {
        format: 'complex',
        application: { format: 'iss_sub', iss: 'https://idp.example', sub: 'pushed-1' },
      },
      events: { [`${caep}session-revoked`]: { reason_admin: { en: 'stolen laptop' } } },
    });
  });

  it('RFC 8936 §2: is there for who polls, again until it is acknowledged, and wakes who waits', async () => {
    const stream = await aStream('crm', {});
    const poll = async (body: object) =>
      (await hub.call('POST', stream.pollPath, { token: stream.token, body })).body as {
        sets: Record<string, string>;
        moreAvailable: boolean;
      };
    expect(await poll({ returnImmediately: true })).toEqual({ sets: {}, moreAvailable: false });
    const waiting = poll({});
    await post('session-revoked', 'polled-1');
    const first = await waiting;
    const [[jti, set] = ['', '']] = Object.entries(first.sets);
    const { payload } = await jwtVerify(set, createLocalJWKSet(keys), { audience: stream.aud });
    expect([payload.jti, clientOf(payload)]).toEqual([jti, 'polled-1']);
    expect(await poll({ ack: [jti], returnImmediately: true })).toEqual({ sets: {}, moreAvailable: false });
    const others = await tokenOf('stranger', ['ssf.manage']);
    const foreign = await hub.call('POST', stream.pollPath, { token: others, body: {} });
    const missing = await hub.call('POST', '/ssf/poll/none', { token: others, body: {} });
    expect([foreign.status, foreign.text]).toEqual([404, missing.text.replaceAll('none', stream.id)]);
  });

  it('SSF §8.1.4: a verification carries the state, past every filter, and one that nobody asked for about nobody else', async () => {
    const peer = await aPeer();
    const stream = await aStream('verified', { ...push(peer), events_requested: [] });
    const body = { stream_id: stream.id, state: 'VGhpcyBpcw' };
    const asked = await hub.call('POST', '/ssf/verify', { token: stream.token, body });
    expect([asked.status, asked.text]).toEqual([204, '']);
    await post('session-revoked', 'not-for-them');
    await until(async () => peer.taken().length > 0);
    expect(peer.received[0]?.claims).toMatchObject({
      sub_id: { format: 'opaque', id: stream.id },
      events: { [`${ssf}verification`]: { state: 'VGhpcyBpcw' } },
    });
  });

  it('one that hangs, one that is broken and one that refuses delay nobody, keep their streams, and lose nothing', async () => {
    const [good, hanging, broken, refusing] = [await aPeer(), await aPeer(), await aPeer(), await aPeer()];
    hanging.behave({ kind: 'dead' });
    broken.behave({ kind: 'answers', status: 500 }, []);
    refusing.behave({ kind: 'well-behaved' }, [
      { kind: 'answers', status: 400, body: JSON.stringify({ err: 'invalid_request', description: 'no' }) },
    ]);
    const streams = await Promise.all(
      Object.entries({ good, hanging, broken, refusing }).map(async ([name, peer]) => ({
        name,
        ...(await aStream(`the-${name}`, push(peer))),
      })),
    );
    const clients = Array.from({ length: 12 }, (_, n) => `victim-${n}`);
    for (const client of clients) {
      await post('account-disabled', client, { event_timestamp: Math.floor(Date.now() / 1_000) - 10 });
      await post('session-revoked', client);
    }
    await until(async () => good.taken().length === 24);
    for (const client of clients) {
      const own = good.received.filter(({ claims }) => clientOf(claims) === client);
      expect(own.map(({ claims }) => Object.keys((claims as { events: object }).events))).toEqual([
        [`${risc}account-disabled`],
        [`${caep}session-revoked`],
      ]);
    }
    await refusing.reached(24);
    const refused = streams.find(({ name }) => name === 'refusing');
    await until(async () => {
      const letters = await hub.call('GET', `/v1/streams/${refused?.id}/dead-letters`);
      return (letters.body['items'] as object[]).length === 1;
    });
    const letters = await hub.call('GET', `/v1/streams/${refused?.id}/dead-letters`);
    expect(letters.body['items']).toMatchObject([
      { attempts: 1, answer: { status: 400, err: 'invalid_request', description: 'no' } },
    ]);
    for (const { id, token } of streams) {
      const status = await hub.call('GET', `/ssf/status?stream_id=${id}`, { token });
      expect(status.body).toEqual({ stream_id: id, status: 'enabled' });
    }
    const dryRun = await hub.call('POST', `/v1/streams/${refused?.id}/replay?dry_run=true`, { body: {} });
    expect(dryRun.body).toEqual({ count: 1, outdated: 0, more: false, dry_run: true });
    const before = refusing.taken().length;
    await hub.call('POST', `/v1/streams/${refused?.id}/replay`, { body: {} });
    await refusing.reached(25);
    await until(async () => refusing.taken().length === before + 1);
    broken.behave({ kind: 'well-behaved' });
    await until(async () => new Set(broken.taken()).size === 24);
  });

  it('RFC 8935 §2.4: one SET that is refused as if credentials were wrong holds up no other', async () => {
    const peer = await aPeer();
    const stream = await aStream('odd', push(peer));
    peer.behave({ kind: 'well-behaved' }, [{ kind: 'answers', status: 403 }]);
    await post('session-revoked', 'odd-one');
    await peer.reached(1);
    await post('account-disabled', 'killed-behind-it');
    await until(async () => new Set(peer.taken()).size === 2);
    const status = await hub.call('GET', `/ssf/status?stream_id=${stream.id}`, { token: stream.token });
    expect(status.body).toEqual({ stream_id: stream.id, status: 'enabled' });
  });

  it('SSF §8.1.2: what happens while a stream is paused comes when it goes on, of opposing events the last', async () => {
    const peer = await aPeer();
    const stream = await aStream('paused', push(peer));
    const setStatus = (status: string) =>
      hub.call('POST', '/ssf/status', { token: stream.token, body: { stream_id: stream.id, status } });
    await setStatus('paused');
    const time = Math.floor(Date.now() / 1_000) - 10;
    await post('account-disabled', 'back-and-forth', { event_timestamp: time });
    await post('account-enabled', 'back-and-forth', { event_timestamp: time + 1 });
    await post('session-revoked', 'somebody-else');
    expect(peer.received).toEqual([]);
    await setStatus('enabled');
    await until(async () => peer.taken().length === 2);
    const events = peer.received.map(({ claims }) => [
      clientOf(claims),
      ...Object.keys((claims as { events: object }).events),
    ]);
    expect(events).toContainEqual(['back-and-forth', `${risc}account-enabled`]);
    expect(events).toContainEqual(['somebody-else', `${caep}session-revoked`]);
    expect(events).toHaveLength(2);
  });

  it('a sample of every event that a stream delivers shows a Receiver what it will get', async () => {
    const peer = await aPeer();
    const stream = await aStream('sampled', push(peer));
    const sampled = await hub.call('POST', `/v1/streams/${stream.id}/samples`);
    expect([sampled.status, (sampled.body['event_types'] as string[]).toSorted()]).toEqual([
      202,
      everything.toSorted(),
    ]);
    await peer.reached(everything.length);
  });
});

async function until(look: () => Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => expect(await look()).toBe(true), { timeout: patienceMs, interval: 100 });
}

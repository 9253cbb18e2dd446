import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import type { TransmitterClient } from '../../../src/receiver/ports.ts';
import { aPoll, done, failure, transmitterClients } from '../../support/a-transmitter-client.ts';
import type { UpstreamStream } from '../../support/upstream-streams.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

const clients = transmitterClients();
const event = { type: 'urn:example:event', subject: { format: 'opaque', id: 'one' } };
let upstream: Upstream;
let client: TransmitterClient;
let stream: UpstreamStream;
beforeAll(async () => {
  upstream = await startUpstream({ longPollMs: 60_000 });
  client = clients.open({ issuer: upstream.issuer });
});
beforeEach(() => {
  upstream.forgetStreams();
  stream = upstream.addStream();
});
afterEach(() => upstream.behave());
afterAll(async () => {
  await upstream.close();
  await clients.close();
});
const url = () => stream.delivery.endpointUrl;

describe('RFC 8936 §2.2, §2.3: one poll', () => {
  it('brings SETs by their jti, as they were sent', async () => {
    const emitted = [await upstream.emit(event), await upstream.emit(event)];
    expect(await done(client.poll(aPoll(url())))).toEqual({
      sets: new Map(emitted.map(({ jti, compact }) => [jti, compact])),
      moreAvailable: false,
    });
    const { method, headers, body } = upstream.requests.at(-1)!;
    expect(method).toBe('POST');
    expect(headers).toMatchObject({ 'content-type': 'application/json', accept: 'application/json' });
    expect(headers).not.toHaveProperty('content-language');
    expect(JSON.parse(body)).toEqual({ maxEvents: 50, returnImmediately: true });
  });

  it('§2.4: acknowledges what was taken, and reports what was not, in English', async () => {
    const [taken, bad] = [await upstream.emit(event), await upstream.emit(event)];
    const error = { err: 'invalid_key', description: 'Nobody knows this key.' } as const;
    const setErrs = new Map([[bad.jti, error]]);
    const polled = await done(client.poll(aPoll(url(), { acks: [taken.jti], setErrs, setsMax: 0 })));
    expect(polled.sets.size).toBe(0);
    expect(upstream.polls.at(-1)).toMatchObject({ ack: [taken.jti], maxEvents: 0, contentLanguage: 'en' });
    expect(upstream.setErrs.get(bad.jti)).toEqual(error);
    expect(stream.queue.size).toBe(0);
  });

  it('moreAvailable says that there is more', async () => {
    for (let left = 3; left > 0; left -= 1) await upstream.emit(event);
    expect(await done(client.poll(aPoll(url(), { setsMax: 2 })))).toMatchObject({ moreAvailable: true });
  });

  it('more SETs than were asked for are left, and come again', async () => {
    const many = Object.fromEntries(Array.from({ length: 5 }, (_none, index) => [`jti-${index}`, 'a.b.c']));
    upstream.misbehave('poll', { kind: 'answers', status: 200, body: { sets: many } });
    const { sets, moreAvailable } = await done(client.poll(aPoll(url(), { setsMax: 2 })));
    expect([...sets.keys()]).toEqual(['jti-0', 'jti-1']);
    expect(moreAvailable).toBe(true);
  });

  it('names of members that every object has are names of SETs like others', async () => {
    const body = '{"sets":{"__proto__":"a.b.c","constructor":"d.e.f"}}';
    upstream.misbehave('poll', { kind: 'answers', status: 200, body });
    const { sets } = await done(client.poll(aPoll(url())));
    expect([...sets]).toEqual([
      ['__proto__', 'a.b.c'],
      ['constructor', 'd.e.f'],
    ]);
    upstream.behave();
    const setErrs = new Map([['__proto__', { err: 'invalid_request', description: 'no' } as const]]);
    await done(client.poll(aPoll(url(), { setErrs })));
    expect(upstream.requests.at(-1)?.body).toContain('"setErrs":{"__proto__":{"err"');
  });
});

describe('RFC 8936 §2.5: a long poll', () => {
  it('waits for a SET', async () => {
    const polled = client.poll(aPoll(url(), { returnImmediately: false }));
    await vi.waitUntil(() => upstream.polls.at(-1)?.streamId === stream.id);
    const { jti } = await upstream.emit(event);
    expect([...(await done(polled)).sets.keys()]).toEqual([jti]);
  });

  it('is given up when it is stopped', async () => {
    const controller = new AbortController();
    const stop = controller.signal;
    const polled = client.poll(aPoll(url(), { returnImmediately: false, stop }));
    await vi.waitUntil(() => upstream.polls.at(-1)?.streamId === stream.id);
    controller.abort();
    expect(await failure(polled)).toMatchObject({ step: 'poll', text: expect.stringContaining('ended it') });
    await vi.waitUntil(() => upstream.requests.at(-1)?.gone.aborted);
  });

  it('brings more than other answers may have', async () => {
    const set = 'a'.repeat(100_000);
    const body = { sets: { a: set, b: set }, moreAvailable: false };
    upstream.misbehave('poll', { kind: 'answers', status: 200, body });
    expect((await done(client.poll(aPoll(url())))).sets.get('b')).toBe(set);
    upstream.misbehave('poll', { kind: 'huge', bytes: 5 * 1_048_576 });
    expect(await failure(client.poll(aPoll(url())))).toMatchObject({ step: 'poll', status: 200 });
  });
});

it.each<[string, JsonObject | string | Uint8Array]>([
  ['no JSON', '<html>'],
  ['no object', '[]'],
  ['null', 'null'],
  ['nothing', ''],
  ['no UTF-8', Buffer.from('{"sets":{"a":"\u00ff"}}', 'latin1')],
  ['TRAP-26: no sets', {}],
  ['sets that are an array', { sets: [] }],
  ['a SET that is no text', { sets: { a: { payload: 1 } } }],
  ['a jti that is empty', { sets: { '': 'a.b.c' } }],
  ['a jti that is endless', { sets: { ['a'.repeat(1_025)]: 'a.b.c' } }],
  ['moreAvailable that is no truth', { sets: {}, moreAvailable: 'yes' }],
  ['depth', '['.repeat(60_000)],
])('RFC 8936 §2.3: an answer with %s is no answer', async (_what, body) => {
  upstream.misbehave('poll', { kind: 'answers', status: 200, body });
  expect(await failure(client.poll(aPoll(url())))).toMatchObject({
    step: 'poll',
    text: expect.stringContaining('cannot be used'),
  });
});

it('RFC 8936 §2.5.1: every status but 200 is a failure, and says how long to wait', async () => {
  for (const status of [201, 202, 204, 302, 400, 401, 403, 404, 429, 500, 503]) {
    upstream.misbehave('poll', { kind: 'answers', status, headers: { 'retry-after': '5' } });
    expect(await failure(client.poll(aPoll(url())))).toMatchObject({ status, retryAfterSeconds: 5 });
  }
});

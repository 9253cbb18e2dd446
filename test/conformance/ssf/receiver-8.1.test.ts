import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import type { Called, TransmitterClient, TransmitterEndpoints } from '../../../src/receiver/ports.ts';
import { aWantedStream, done, failure, transmitterClients } from '../../support/a-transmitter-client.ts';
import type { Place } from '../../support/upstream-routes.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

const clients = transmitterClients();
const pushed = {
  delivery: {
    method: 'urn:ietf:rfc:8935',
    endpoint_url: 'https://hub.example/ssf/push/up_1',
    authorization_header: 'Bearer a-push-secret',
  },
} as const;
let upstream: Upstream;
let client: TransmitterClient;
let endpoints: TransmitterEndpoints;
beforeAll(async () => {
  upstream = await startUpstream({ minVerificationSeconds: 30 });
  client = clients.open({ issuer: upstream.issuer });
  ({ endpoints } = await done(client.discover()));
});
beforeEach(() => upstream.forgetStreams());
afterEach(() => upstream.behave());
afterAll(async () => {
  await upstream.close();
  await clients.close();
});

const sent = () => {
  const { method, path, query, body, headers } = upstream.requests.at(-1)!;
  return {
    method,
    path,
    query: query.toString(),
    type: headers['content-type'],
    body: body && JSON.parse(body),
  };
};

describe('SSF 1.0 §8.1.1.1: creating a stream', () => {
  it('asks with POST for what a Receiver supplies, and reads what is there then', async () => {
    const stream = await done(client.createStream(endpoints, aWantedStream(pushed)));
    const { delivery, eventsRequested } = aWantedStream(pushed);
    expect(sent()).toEqual({
      method: 'POST',
      path: '/tenant-1/streams',
      query: '',
      type: 'application/json',
      body: { delivery, events_requested: eventsRequested, description: 'hub' },
    });
    expect(stream).toMatchObject({
      streamId: [...upstream.streams.keys()][0],
      iss: upstream.issuer,
      audience: ['https://receiver.example/hub'],
      method: 'urn:ietf:rfc:8935',
      endpointUrl: pushed.delivery.endpoint_url,
      eventsDelivered: eventsRequested,
      minVerificationSeconds: 30,
      raw: { description: 'hub' },
    });
  });

  it('SSF 1.0 §6.1.2: with polling, the Transmitter says where', async () => {
    const stream = await done(client.createStream(endpoints, aWantedStream()));
    expect(stream).toMatchObject({
      method: 'urn:ietf:rfc:8936',
      endpointUrl: `${upstream.issuer}/poll/${stream.streamId}`,
    });
  });

  it('409 tells of a stream that is there already, which is then listed, read and updated', async () => {
    const { id } = upstream.addStream();
    expect(await failure(client.createStream(endpoints, aWantedStream()))).toMatchObject({
      step: 'connect',
      status: 409,
    });
    expect((await done(client.listStreams(endpoints))).map(({ streamId }) => streamId)).toEqual([id]);
    expect((await done(client.readStream(endpoints, id))).eventsDelivered).toEqual([]);
    const { eventsDelivered } = await done(client.updateStream(endpoints, id, aWantedStream()));
    expect(eventsDelivered).toEqual(aWantedStream().eventsRequested);
  });

  it('a secret that the Transmitter repeats goes no further', async () => {
    upstream.misbehave('streams', {
      kind: 'lies',
      change: (body) => ({ ...body, delivery: { ...(body['delivery'] as object), ...pushed.delivery } }),
    });
    const stream = await done(client.createStream(endpoints, aWantedStream(pushed)));
    expect(JSON.stringify(stream)).not.toContain('a-push-secret');
  });
});

describe('SSF 1.0 §8.1.1.2 to §8.1.1.5: reading, changing and deleting', () => {
  it('§8.1.1.2: a list is an array, also of none', async () => {
    expect(await done(client.listStreams(endpoints))).toEqual([]);
    expect(sent()).toMatchObject({ method: 'GET', query: '' });
  });

  it('§8.1.1.2: a stream is asked for in the query', async () => {
    const { id } = upstream.addStream();
    await done(client.readStream(endpoints, id));
    expect(sent()).toMatchObject({ method: 'GET', query: `stream_id=${id}` });
    await failure(client.readStream({ configuration: `${endpoints.configuration}?tenant=a%20b` }, 'a&b=ü'));
    expect(upstream.requests.at(-1)?.query.get('tenant')).toBe('a b');
    expect(upstream.requests.at(-1)?.query.get('stream_id')).toBe('a&b=ü');
  });

  it.each(['PATCH', 'PUT'] as const)('§8.1.1.3, §8.1.1.4: %s has it in the body', async (method) => {
    const { id } = upstream.addStream();
    const change = method === 'PATCH' ? client.updateStream : client.replaceStream;
    const stream = await done(change(endpoints, id, aWantedStream(pushed)));
    expect(sent()).toMatchObject({ method, query: '', body: { stream_id: id, description: 'hub' } });
    expect(stream).toMatchObject({ streamId: id, endpointUrl: pushed.delivery.endpoint_url });
    expect(upstream.streams.get(id)?.delivery.authorization).toBe('Bearer a-push-secret');
  });

  it('§8.1.1.5: DELETE has it in the query', async () => {
    const { id } = upstream.addStream();
    expect(await done(client.deleteStream(endpoints, id))).toBeUndefined();
    expect(sent()).toMatchObject({ method: 'DELETE', query: `stream_id=${id}`, body: '' });
    expect(upstream.streams.size).toBe(0);
  });

  it('a stale id is told as 404, whatever it is used for', async () => {
    const stale = 'stream-of-yesterday';
    const wanted = aWantedStream();
    const calls: [string, Promise<Called<unknown>>][] = [
      ['read', client.readStream(endpoints, stale)],
      ['connect', client.updateStream(endpoints, stale, wanted)],
      ['connect', client.replaceStream(endpoints, stale, wanted)],
      ['connect', client.deleteStream(endpoints, stale)],
      ['status', client.readStatus(endpoints, stale)],
      ['status', client.setStatus(endpoints, stale, { status: 'enabled' })],
      ['verify', client.verify(endpoints, stale, 'state')],
    ];
    for (const [step, called] of calls) expect(await failure(called)).toMatchObject({ step, status: 404 });
  });
});

describe('SSF 1.0 §8.1.1, SEC-03: what a stream must be', () => {
  it.each<[string, JsonObject]>([
    ['§8.1.1.1: another iss', { iss: 'https://elsewhere.example' }],
    ['no iss', { iss: null }],
    ['no aud', { aud: [] }],
    ['an aud that is no text', { aud: { of: 'mine' } }],
    ['no stream_id', { stream_id: '' }],
    ['the stream_id of another', { stream_id: 'another' }],
    ['no events_delivered', { events_delivered: null }],
    ['events_delivered with no text', { events_delivered: [7] }],
    ['no delivery', { delivery: 'urn:ietf:rfc:8936' }],
    ['a delivery without method', { delivery: { endpoint_url: 'https://tr.example/poll' } }],
    [
      'a poll endpoint without TLS',
      { delivery: { method: 'urn:ietf:rfc:8936', endpoint_url: 'http://a.example' } },
    ],
    ['a minimum that is no number', { min_verification_interval: 'soon' }],
    ['more than can be dealt with', { x: Array.from({ length: 20_000 }, () => 1) }],
    ['deeper than can be dealt with', { x: [[[[[[[[[[1]]]]]]]]]] }],
    ['text that nobody can store', { description: 'a\u0000b' }],
  ])('is refused with %s', async (_what, change) => {
    const { id } = upstream.addStream();
    upstream.misbehave('streams', { kind: 'lies', change: (body) => ({ ...body, ...change }) });
    expect(await failure(client.readStream(endpoints, id))).toMatchObject({
      step: 'read',
      text: expect.stringContaining('cannot be used'),
    });
  });

  it('§8.1.1.2: one stream of another issuer spoils the list', async () => {
    const { id } = upstream.addStream();
    const good = (await done(client.readStream(endpoints, id))).raw;
    upstream.misbehave('streams', {
      kind: 'lies',
      change: () => [good, { ...good, iss: 'https://x.example' }],
    });
    expect(await failure(client.listStreams(endpoints))).toMatchObject({ step: 'connect' });
    upstream.misbehave('streams', { kind: 'lies', change: () => good });
    expect(await failure(client.listStreams(endpoints))).toMatchObject({ step: 'connect' });
  });

  it('aud may be an array', async () => {
    const { id } = upstream.addStream();
    upstream.misbehave('streams', { kind: 'lies', change: (body) => ({ ...body, aud: ['a', 'b'] }) });
    expect((await done(client.readStream(endpoints, id))).audience).toEqual(['a', 'b']);
  });
});

describe('SSF 1.0 §8.1.2: the status of a stream', () => {
  it('is read from the query and set in the body', async () => {
    const { id } = upstream.addStream();
    expect(await done(client.readStatus(endpoints, id))).toEqual({ status: 'enabled' });
    expect(sent()).toMatchObject({ method: 'GET', path: '/tenant-1/status', query: `stream_id=${id}` });
    const paused = { status: 'paused', reason: 'upkeep' };
    expect(await done(client.setStatus(endpoints, id, paused))).toEqual(paused);
    expect(sent()).toMatchObject({ method: 'POST', query: '', body: { stream_id: id, ...paused } });
  });

  it.each<[string, JsonObject]>([
    ['a status that there is not', { status: 'asleep' }],
    ['no status', { status: null }],
    ['that of another stream', { stream_id: 'another' }],
  ])('is refused with %s', async (_what, change) => {
    const { id } = upstream.addStream();
    upstream.misbehave('status', { kind: 'lies', change: (body) => ({ ...body, ...change }) });
    expect(await failure(client.readStatus(endpoints, id))).toMatchObject({ step: 'status' });
  });

  it('a reason is cut and made harmless', async () => {
    const { id } = upstream.addStream();
    const reason = `\u001b[31m${'a'.repeat(2_000)}`;
    upstream.misbehave('status', { kind: 'lies', change: (body) => ({ ...body, reason }) });
    const { reason: kept } = await done(client.readStatus(endpoints, id));
    expect(kept).toMatch(/^\ufffd\[31ma+$/);
    expect(kept).toHaveLength(500);
  });
});

describe('SSF 1.0 §8.1.4.2: asking for verification', () => {
  it('has stream and state in the body, and brings an event with that state', async () => {
    const { id } = upstream.addStream();
    expect(await done(client.verify(endpoints, id, 'st-1'))).toBeUndefined();
    expect(sent()).toMatchObject({ method: 'POST', body: { stream_id: id, state: 'st-1' } });
    await vi.waitUntil(() => upstream.streams.get(id)?.queue.size === 1);
  });

  it('429 says when it may be asked again', async () => {
    const { id } = upstream.addStream();
    const headers = { 'retry-after': '17' };
    upstream.misbehave('verification', { kind: 'answers', status: 429, headers });
    expect(await failure(client.verify(endpoints, id, 'a'))).toEqual({
      kind: 'failed',
      step: 'verify',
      text: 'The Transmitter asks to wait (verification_endpoint: 429).',
      status: 429,
      retryAfterSeconds: 17,
    });
  });
});

/** The right one of each operation; all others are failures. */
const right: readonly [string, Place, number, (id: string) => Promise<Called<unknown>>][] = [
  ['create', 'streams', 201, () => client.createStream(endpoints, aWantedStream())],
  ['list', 'streams', 200, () => client.listStreams(endpoints)],
  ['read', 'streams', 200, (id) => client.readStream(endpoints, id)],
  ['update', 'streams', 200, (id) => client.updateStream(endpoints, id, aWantedStream())],
  ['replace', 'streams', 200, (id) => client.replaceStream(endpoints, id, aWantedStream())],
  ['delete', 'streams', 204, (id) => client.deleteStream(endpoints, id)],
  ['read status', 'status', 200, (id) => client.readStatus(endpoints, id)],
  ['set status', 'status', 200, (id) => client.setStatus(endpoints, id, { status: 'enabled' })],
  ['verify', 'verification', 204, (id) => client.verify(endpoints, id, 'a')],
];
const statuses = [200, 201, 202, 204, 206, 302, 400, 401, 403, 404, 409, 410, 418, 429, 500, 503];

it.each(right)('SSF 1.0 §8.1: %s (%s) is done with %i only', async (_what, place, status, call) => {
  for (const wrong of statuses.filter((one) => one !== status)) {
    const headers = { 'www-authenticate': 'Bearer realm="my realm", error="insufficient_scope"' };
    const body = { error: 'a-secret-of-theirs', stream_id: 'a' };
    upstream.misbehave(place, {
      kind: 'answers',
      status: wrong,
      headers,
      ...(wrong === 204 ? {} : { body }),
    });
    const told = await failure(call('stream-1'));
    expect(told).toMatchObject({
      status: wrong,
      text: expect.stringContaining(`${wrong} insufficient_scope`),
    });
    expect(told.step === 'authorize').toBe(wrong === 401);
    expect(told.text).not.toContain('secret');
  }
});

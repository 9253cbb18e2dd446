import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import {
  anSsfReceiver,
  pollMethod,
  pushMethod,
  sendRaw,
  type SsfReceiver,
} from '../../support/an-ssf-receiver.ts';

let hub: Hub;
let receiver: SsfReceiver;
let stream: Record<string, unknown> & { readonly stream_id: string };
beforeAll(async () => {
  hub = await startHub();
  receiver = await anSsfReceiver(hub);
  stream = await receiver.create({ events_requested: [] });
});
afterAll(() => hub.stop());

const streams = '/ssf/streams';
const https = 'https://receiver.example.com/events';
const push = (parts: object) => ({ delivery: { method: pushMethod, endpoint_url: https, ...parts } });
const pathsOf = (body: Record<string, unknown>) =>
  ((body['errors'] ?? []) as { path: string }[]).map(({ path }) => path);

const badDeliveries = [
  ['an unknown method', { delivery: { method: 'urn:ietf:rfc:1149' } }, '/delivery/method'],
  ['no method', { delivery: { endpoint_url: https } }, '/delivery/method'],
  ['no object', { delivery: pushMethod }, '/delivery'],
  ['push without an address', { delivery: { method: pushMethod } }, '/delivery/endpoint_url'],
  ['no https', push({ endpoint_url: 'http://receiver.example.com' }), '/delivery/endpoint_url'],
  ['another scheme', push({ endpoint_url: 'file:///etc/passwd' }), '/delivery/endpoint_url'],
  ['no URL', push({ endpoint_url: 'receiver' }), '/delivery/endpoint_url'],
  ['a space', push({ endpoint_url: `${https} ` }), '/delivery/endpoint_url'],
  ['a password', push({ endpoint_url: 'https://a:b@receiver.example.com' }), '/delivery/endpoint_url'],
  ['a fragment', push({ endpoint_url: `${https}#` }), '/delivery/endpoint_url'],
  ['too long an address', push({ endpoint_url: `${https}/${'x'.repeat(2_048)}` }), '/delivery/endpoint_url'],
  [
    'an address of its own for poll',
    { delivery: { method: pollMethod, endpoint_url: https } },
    '/delivery/endpoint_url',
  ],
  [
    'a secret for poll',
    { delivery: { method: pollMethod, authorization_header: 'x' } },
    '/delivery/authorization_header',
  ],
  [
    'a secret that ends the header',
    push({ authorization_header: 'Bearer hunter2\r\nHost: y' }),
    '/delivery/authorization_header',
  ],
  ['a line feed', push({ authorization_header: 'Bearer hunter2\n' }), '/delivery/authorization_header'],
  [
    'the name of the header',
    push({ authorization_header: 'authorization: Bearer hunter2' }),
    '/delivery/authorization_header',
  ],
  ['an empty secret', push({ authorization_header: '' }), '/delivery/authorization_header'],
  ['no ASCII', push({ authorization_header: 'Bearer hunter2 ü' }), '/delivery/authorization_header'],
  ['a secret of another type', push({ authorization_header: 7 }), '/delivery/authorization_header'],
] as const;

const badMembers = [
  ['events that are no list', { events_requested: 'all' }, '/events_requested'],
  ['events that are no text', { events_requested: [1] }, '/events_requested/0'],
  ['too many events', { events_requested: Array.from({ length: 201 }, () => 'urn:x') }, '/events_requested'],
  ['a description that is no text', { description: {} }, '/description'],
  ['a description of null', { description: null }, '/description'],
] as const;

describe.each(['POST', 'PATCH', 'PUT'])('%s /ssf/streams', (method) => {
  const send = (body: object) =>
    receiver.call(method, streams, { ...(method !== 'POST' && { stream_id: stream.stream_id }), ...body });

  it.each([...badDeliveries, ...badMembers])('400: %s', async (_name, body, path) => {
    const answer = await send(body);
    expect([answer.status, pathsOf(answer.body)]).toEqual([400, [path]]);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.text).not.toContain('hunter2');
  });

  it.each([
    ['iss', 'https://other.example'],
    ['aud', 'token:other'],
    ['aud', ['token:other']],
    ['events_supported', []],
    ['events_delivered', ['urn:x']],
    ['min_verification_interval', 1],
    ['inactivity_timeout', 1],
  ])("400: %s is the transmitter's: %j", async (name, value) => {
    const answer = await send({ [name]: value });
    expect([answer.status, pathsOf(answer.body)]).toEqual([400, [`/${name}`]]);
  });

  it('and nothing of the stream has changed', async () => {
    const { text } = await receiver.call('GET', streams);
    expect(JSON.parse(text)).toEqual([stream]);
  });
});

it('400: what the transmitter will supply does not go into a create, however right', async () => {
  const answer = await receiver.call('POST', streams, { stream_id: 'x', iss: stream['iss'] });
  expect([answer.status, pathsOf(answer.body)]).toEqual([400, ['/stream_id', '/iss']]);
});

const subject = { format: 'email', email: 'jdoe@example.com' };
describe.each([
  ['PATCH', streams, {}],
  ['PUT', streams, {}],
  ['POST', '/ssf/status', { status: 'paused' }],
  ['POST', '/ssf/subjects/add', { subject }],
  ['POST', '/ssf/subjects/remove', { subject }],
  ['POST', '/ssf/verify', {}],
])('%s %s', (method, path, body) => {
  it.each([
    ['no stream_id', {}],
    ['one that is no text', { stream_id: 7 }],
    ['a list', { stream_id: ['x'] }],
    ['null', { stream_id: null }],
  ])('400: %s', async (_name, id) => {
    const answer = await receiver.call(method, path, { ...body, ...id });
    expect([answer.status, pathsOf(answer.body)]).toEqual([400, ['/stream_id']]);
  });

  it.each([
    ['no JSON', '{"stream_id":'],
    ['no object', '[]'],
    ['nothing', ''],
    ['another prototype', '{"__proto__":{},"stream_id":"x"}'],
    ['no UTF-8 once decoded', '{"stream_id":"\\ud800"}'],
  ])('400: a body that is %s, whatever its type', async (_name, sent) => {
    for (const type of ['application/json', 'text/plain', '']) {
      const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
      const answer = await sendRaw(hub, receiver, { method, path, body: sent, headers });
      expect(answer.status, type).toBe(400);
    }
  });
});

it.each([
  ['/ssf/status', { status: 'broken' }, '/status'],
  ['/ssf/status', {}, '/status'],
  ['/ssf/status', { status: 'paused', reason: 5 }, '/reason'],
  ['/ssf/status', { status: 'paused', reason: 'x'.repeat(501) }, '/reason'],
  ['/ssf/subjects/add', {}, '/subject'],
  ['/ssf/subjects/add', { subject: 'jdoe' }, '/subject'],
  ['/ssf/subjects/add', { subject: { email: 'jdoe@example.com' } }, '/subject/format'],
  ['/ssf/subjects/add', { subject: { format: 'nickname', id: 'j' } }, '/subject/format'],
  ['/ssf/subjects/add', { subject: { format: 'email' } }, '/subject/email'],
  ['/ssf/subjects/add', { subject: { format: 'complex' } }, '/subject'],
  ['/ssf/subjects/add', { subject: { format: 'complex', user: { format: 'complex' } } }, '/subject/user'],
  ['/ssf/subjects/add', { subject: { ...subject, note: 'x'.repeat(5_000) } }, '/subject'],
  ['/ssf/subjects/add', { subject, verified: 'yes' }, '/verified'],
  ['/ssf/subjects/remove', { subject: { format: 'opaque', id: '' } }, '/subject/id'],
  ['/ssf/verify', { state: 7 }, '/state'],
])('400: POST %s %j', async (path, body, where) => {
  const answer = await receiver.call('POST', path, { stream_id: stream.stream_id, ...body });
  expect([answer.status, pathsOf(answer.body)]).toEqual([400, [where]]);
});

it.each([
  ['DELETE', streams],
  ['GET', '/ssf/status'],
])('400: %s %s without stream_id, or with two', async (method, path) => {
  expect((await receiver.call(method, path)).status).toBe(400);
  expect((await receiver.call(method, `${path}?stream_id=a&stream_id=b`)).status).toBe(400);
});

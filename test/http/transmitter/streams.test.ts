import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver, caep, pushMethod, type SsfReceiver } from '../../support/an-ssf-receiver.ts';

let hub: Hub;
let receiver: SsfReceiver;
beforeAll(async () => {
  hub = await startHub({ PUBLIC_URL: 'https://hub.example' });
  receiver = await anSsfReceiver(hub);
  for (const client_id of ['partner', 'bad', 'other', 'gone']) {
    await hub.call('POST', '/v1/clients', { body: { client_id, scopes: ['ssf.manage'] } });
  }
  await hub.call('DELETE', '/v1/clients/gone');
});
afterAll(() => hub.stop());

const path = '/v1/streams';
const create = (body: object) => hub.call('POST', path, { body: { receiver: receiver.name, ...body } });
const push = { method: pushMethod, endpoint_url: 'https://siem.example/sets' };

describe('POST /v1/streams', () => {
  it('201: a stream that its receiver finds and manages', async () => {
    const made = await create({
      delivery: { ...push, authorization_header: 'Bearer hunter2' },
      events_requested: ['session-revoked', caep('credential-change')],
      description: 'SIEM',
      algorithm: 'ES256',
      default_subjects: 'NONE',
      min_verification_interval: 0,
      inactivity_timeout: 3_600,
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      receiver: `token:${receiver.name}`,
      status: 'enabled',
      delivery: { ...push, authorized: true },
      events_delivered: [caep('session-revoked'), caep('credential-change')],
      description: 'SIEM',
      algorithm: 'ES256',
      default_subjects: 'NONE',
      inactivity_timeout: 3_600,
    });
    expect(made.text).not.toContain('hunter2');
    const id = String(made.body['id']);
    const seen = await receiver.call('GET', `/ssf/streams?stream_id=${id}`);
    expect(seen.body).toMatchObject({ iss: 'https://hub.example', min_verification_interval: 0 });
    expect((await hub.call('GET', `${path}/${id}`)).body).toEqual({
      ...made.body,
      last_activity_at_ms: expect.any(Number),
    });
  });

  it.each(['nobody', 'gone'])('400: there is no client %s, or it was revoked', async (name) => {
    const refused = await create({ receiver: `client:${name}` });
    expect(refused.body).toMatchObject({ status: 400, errors: [{ path: '/receiver' }] });
  });

  it('201: without events it carries all that there are; a client may have it, too', async () => {
    const { body } = await create({ receiver: 'client:partner' });
    expect(body).toMatchObject({ receiver: 'client:partner', aud: `client:partner/${String(body['id'])}` });
    expect((body['events_delivered'] as string[]).length).toBeGreaterThan(20);
  });

  it.each([
    [
      'an unknown event',
      { events_requested: ['session-revoked', 'sesion'] },
      'unknown-event-type',
      '/events_requested/1',
    ],
    [
      'an event of our own doors',
      { events_requested: ['revocation-ordered'] },
      'unknown-event-type',
      '/events_requested/0',
    ],
    ['no receiver', { receiver: 'a b' }, 'invalid-request', '/receiver'],
    ['a receiver of another kind', { receiver: 'user:mara' }, 'invalid-request', '/receiver'],
    ['an unknown member', { aud: 'x' }, 'invalid-request', '/aud'],
    ['push to nowhere', { delivery: { method: pushMethod } }, 'invalid-request', '/delivery/endpoint_url'],
    ['an unknown algorithm', { algorithm: 'none' }, 'invalid-request', '/algorithm'],
    ['a timeout too short', { inactivity_timeout: 1 }, 'invalid-request', '/inactivity_timeout'],
  ])('400: %s', async (_name, body, code, where) => {
    const answer = await create(body);
    expect(answer.body).toMatchObject({ status: 400, code, errors: [{ path: where }] });
  });
});

describe('PATCH, DELETE /v1/streams/:id', () => {
  it('200: pauses, sets and resumes; the rest stays', async () => {
    const made = await create({ inactivity_timeout: 3_600, description: 'one' });
    const patch = (body: object) => hub.call('PATCH', `${path}/${String(made.body['id'])}`, { body });
    expect((await patch({ status: 'paused', reason: 'maintenance' })).body).toMatchObject({
      status: 'paused',
      reason: 'maintenance',
      inactivity_timeout: 3_600,
    });
    const status = await receiver.call('GET', `/ssf/status?stream_id=${String(made.body['id'])}`);
    expect(status.body).toMatchObject({ status: 'paused', reason: 'maintenance' });
    const set = await patch({ inactivity_timeout: null, algorithm: 'EdDSA' });
    expect(set.body).toMatchObject({
      status: 'paused',
      reason: 'maintenance',
      description: 'one',
      algorithm: 'EdDSA',
    });
    expect(set.body).not.toHaveProperty('inactivity_timeout');
    expect((await patch({ status: 'enabled' })).body).not.toHaveProperty('reason');
  });

  it('204: is gone, for its receiver, too', async () => {
    const id = String((await create({})).body['id']);
    expect((await hub.call('DELETE', `${path}/${id}`)).status).toBe(204);
    expect((await receiver.call('GET', `/ssf/streams?stream_id=${id}`)).status).toBe(404);
    for (const [method, rest] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['POST', '/verify'],
    ] as const) {
      const body = method === 'PATCH' ? { body: { status: 'paused' } } : {};
      expect((await hub.call(method, `${path}/${id}${rest}`, body)).status, method).toBe(404);
    }
  });

  it.each([{}, { reason: 'x' }, { status: 'x' }, { receiver: 'other' }, { inactivity_timeout: 0 }])(
    '400: %j',
    async (body) => {
      const { body: made } = await create({ receiver: 'client:bad' });
      expect((await hub.call('PATCH', `${path}/${String(made['id'])}`, { body })).status).toBe(400);
    },
  );
});

describe('GET /v1/streams', () => {
  it('200: pages through those of all receivers, or of one', async () => {
    await create({ receiver: 'client:other' });
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await hub.call('GET', `${path}?limit=2${query}`);
      for (const { id } of body['items'] as { id: string }[]) ids.push(id);
      cursor = body['next_cursor'] as string | null;
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(2);
    const { body } = await hub.call('GET', `${path}?receiver=client:other`);
    expect(body['items']).toHaveLength(1);
    expect((await hub.call('GET', `${path}?cursor=x`)).status).toBe(400);
  });

  it('403: for operators only', async () => {
    expect((await receiver.call('GET', path)).status).toBe(403);
    const operator = await anSsfReceiver(hub, ['streams.write']);
    expect((await operator.call('GET', path)).status).toBe(200);
    expect((await operator.call('GET', '/ssf/streams')).status).toBe(403);
  });
});

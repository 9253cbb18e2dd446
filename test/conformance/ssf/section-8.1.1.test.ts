import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import {
  anSsfReceiver,
  caep,
  pollMethod,
  pushMethod,
  type SsfReceiver,
} from '../../support/an-ssf-receiver.ts';

const push = { method: pushMethod, endpoint_url: 'https://receiver.example.com/events' };
const requested = [caep('session-revoked'), 'urn:example:secevent:events:type_4'];
const description = 'Stream for Receiver A using events type_2, type_3, type_4';
const streams = '/ssf/streams';
let hub: Hub;
let receiver: SsfReceiver;
beforeAll(async () => {
  hub = await startHub({ PUBLIC_URL: 'https://tr.example.com' });
});
afterAll(() => hub.stop());
beforeEach(async () => {
  receiver = await anSsfReceiver(hub);
});
const read = async (id: string) => (await receiver.call('GET', `${streams}?stream_id=${id}`)).body;

describe('SSF 1.0 §8.1.1.1: creating a stream', () => {
  it('201: the example, with its unknown events echoed, ignored, and not delivered', async () => {
    const body = { delivery: push, events_requested: requested, description };
    const answer = await receiver.call('POST', streams, body);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toMatchObject({
      ...body,
      iss: 'https://tr.example.com',
      events_delivered: [caep('session-revoked')],
    });
    expect(answer.body['stream_id']).toMatch(/^[A-Za-z0-9._~-]+$/);
    expect(answer.body['events_supported']).toEqual(
      expect.arrayContaining([caep('credential-change'), expect.stringContaining('/risc/')]),
    );
    const travelsAsAnother = expect.stringMatching(/sessions-revoked$|^urn:caep-hub:/);
    expect(answer.body['events_supported']).not.toContainEqual(travelsAsAnother);
    expect(await read(String(answer.body['stream_id']))).toEqual(answer.body);
    const { status } = (
      await receiver.call('GET', `/ssf/status?stream_id=${String(answer.body['stream_id'])}`)
    ).body;
    expect(status).toBe('enabled');
  });

  it('without delivery it is poll, at an address of its own; no two streams have one aud', async () => {
    const [one, other] = [
      await receiver.create(),
      await receiver.create({ delivery: { method: pollMethod } }),
    ];
    expect(one['delivery']).toMatchObject({ method: pollMethod });
    expect(one.stream_id).not.toBe(other.stream_id);
    expect(one['aud']).toBe(`token:${receiver.name}/${one.stream_id}`);
    expect(one['aud']).not.toBe(other['aud']);
    expect(one['delivery']).not.toEqual(other['delivery']);
    expect(one).toMatchObject({ events_delivered: [], min_verification_interval: expect.any(Number) });
    expect(one).not.toHaveProperty('events_requested');
  });

  it('409: one more than a receiver may have', async () => {
    for (let count = 0; count < 16; count += 1) await receiver.create();
    const answer = await receiver.call('POST', streams, {});
    expect([answer.status, answer.body['code']]).toEqual([409, 'too-many-streams']);
    await (await anSsfReceiver(hub)).create();
  });

  it('§6.1.1: the authorization header is kept to itself, everywhere', async () => {
    const secret = 'Bearer hunter2-hunter2';
    const stream = await receiver.create({ delivery: { ...push, authorization_header: secret } });
    expect(stream['delivery']).toEqual(push);
    const texts = [
      JSON.stringify(await read(stream.stream_id)),
      (await hub.call('GET', '/v1/audit')).text,
      hub.lines.join(''),
    ];
    expect(texts.join()).not.toContain('hunter2');
  });

  it('a long description is cut', async () => {
    const stream = await receiver.create({ description: '€'.repeat(1_200) });
    expect(stream['description']).toBe('€'.repeat(1_000));
  });
});

describe('SSF 1.0 §8.1.1.2: reading', () => {
  it('200: one as an object, all as an array: of none, of one, of several', async () => {
    const list = async () => JSON.parse((await receiver.call('GET', streams)).text) as object[];
    expect(await list()).toEqual([]);
    const one = await receiver.create({ description: 'one' });
    expect(await list()).toEqual([one]);
    expect(await read(one.stream_id)).toEqual(one);
    const other = await receiver.create();
    expect(await list()).toEqual([one, other]);
  });

  it('404: of another receiver, byte for byte as one that is not there', async () => {
    const other = await anSsfReceiver(hub);
    const { stream_id: id } = await other.create();
    const answers = await Promise.all(
      [id, 'str_none'].map((named) => receiver.call('GET', `${streams}?stream_id=${named}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 404]);
    expect(answers[0]?.text).toBe(answers[1]?.text);
    expect((await receiver.call('GET', streams)).text).toBe('[]');
  });
});

describe('SSF 1.0 §8.1.1.3: updating', () => {
  it('200: what is there changes, what is not stays', async () => {
    const stream = await receiver.create({ delivery: push, events_requested: requested, description });
    const answer = await receiver.call('PATCH', streams, {
      stream_id: stream.stream_id,
      events_requested: [caep('credential-change')],
      description: 'Stream for Receiver B using events type_2, type_3, type_4',
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...stream,
      events_requested: [caep('credential-change')],
      events_delivered: [caep('credential-change')],
      description: 'Stream for Receiver B using events type_2, type_3, type_4',
    });
    expect(await read(stream.stream_id)).toEqual(answer.body);
    const untouched = await receiver.call('PATCH', streams, { stream_id: stream.stream_id });
    expect(untouched.body).toEqual(answer.body);
  });

  it('events_delivered is compared with what it was before; the whole may be sent back', async () => {
    const stream = await receiver.create({ events_requested: requested });
    const changed = { ...stream, events_requested: [caep('credential-change')] };
    const before = await receiver.call('PATCH', streams, changed);
    expect([before.status, before.body['events_delivered']]).toEqual([200, [caep('credential-change')]]);
    const after = await receiver.call('PATCH', streams, {
      stream_id: stream.stream_id,
      events_requested: requested,
      events_delivered: [caep('session-revoked')],
    });
    expect(after.body).toMatchObject({ status: 400, errors: [{ path: '/events_delivered' }] });
  });

  it('push becomes poll with an address of ours, and push again', async () => {
    const stream = await receiver.create({ delivery: push });
    const patch = async (delivery: object) =>
      (await receiver.call('PATCH', streams, { stream_id: stream.stream_id, delivery })).body['delivery'];
    const polled = await patch({ method: pollMethod });
    expect(polled).toEqual({
      method: pollMethod,
      endpoint_url: `https://tr.example.com/ssf/poll/${stream.stream_id}`,
    });
    expect(await patch(polled as object)).toEqual(polled);
    expect(await patch(push)).toEqual(push);
  });
});

describe('SSF 1.0 §8.1.1.4: replacing', () => {
  it('200: what is not there is deleted; aud, status and subjects are no part of it', async () => {
    const stream = await receiver.create({ delivery: push, events_requested: requested, description });
    const { stream_id: id } = stream;
    await receiver.call('POST', '/ssf/status', { stream_id: id, status: 'paused', reason: 'x' });
    const whole = { stream_id: id, delivery: push, events_requested: requested, description: 'C' };
    expect((await receiver.call('PUT', streams, whole)).body).toEqual({ ...stream, description: 'C' });
    const bare = await receiver.call('PUT', streams, { stream_id: id });
    expect(bare.status).toBe(200);
    const { events_requested: _, description: __, ...rest } = stream;
    expect(bare.body).toEqual({
      ...rest,
      delivery: { method: pollMethod, endpoint_url: `https://tr.example.com/ssf/poll/${id}` },
      events_delivered: [],
    });
    const status = await receiver.call('GET', `/ssf/status?stream_id=${id}`);
    expect(status.body).toEqual({ stream_id: id, status: 'paused', reason: 'x' });
  });

  it('what was read may be changed and sent back', async () => {
    const stream = await receiver.create({ delivery: push, events_requested: requested });
    const answer = await receiver.call('PUT', streams, { ...stream, description: 'new' });
    expect(answer.body).toEqual({ ...stream, description: 'new' });
  });
});

describe('SSF 1.0 §8.1.1.5: deleting', () => {
  it('204, and then there is no such stream', async () => {
    const { stream_id: id } = await receiver.create();
    const answer = await receiver.call('DELETE', `${streams}?stream_id=${id}`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await receiver.call('DELETE', `${streams}?stream_id=${id}`)).status).toBe(404);
    expect((await receiver.call('GET', `/ssf/status?stream_id=${id}`)).status).toBe(404);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { caepEventTypes } from '../../../src/core/events/caep.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { caep } from '../../support/an-ssf-receiver.ts';
import { aProfiledClient, eventOf, type ProfiledStream } from './a-profiled-client.ts';

const risc = (name: string) => `https://schemas.openid.net/secevent/risc/event-type/${name}`;
const iss = 'https://idp.example';
const alice = { format: 'email', email: 'alice@example.com' };
const bob = { format: 'email', email: 'bob@example.com' };

/** CAEP Interoperability Profile 1.0, draft 02, §3: use cases; §2.8.1: one event in a SET. Every test reads what a Receiver got. */
let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
  await hub.call('PUT', '/v1/issuers', { body: { url: iss, profile: 'rfc9068' } });
  await hub.call('POST', '/v1/agents', {
    body: {
      name: 'build-runner',
      identities: [
        { iss, client_id: 'build-runner' },
        { iss, sub: 'build-runner' },
      ],
    },
  });
  await hub.call('POST', '/v1/agents', {
    body: { name: 'child', parents: ['build-runner'], identities: [{ iss, client_id: 'child' }] },
  });
});
afterAll(() => hub.stop());

const aStream = async (body: object = {}): Promise<ProfiledStream> =>
  (await aProfiledClient(hub)).create(body);
const post = async (body: object): Promise<void> => {
  const answer = await hub.call('POST', '/v1/signals', { body });
  expect(answer.status, answer.text).toBe(202);
};
const told = async (stream: ProfiledStream) =>
  (await stream.read()).map((set) => ({ sub_id: set.sub_id, ...eventOf(set) }));
const withoutReason = (data: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(data).filter(([name]) => name !== 'reason_admin'));
const notEmpty = { en: expect.stringMatching(/\S/) };

describe('§3.1, §3.2: a stream delivers the events of the use cases', () => {
  const useCases = [caep('session-revoked'), caep('credential-change')];

  it('when its receiver asks for nothing, after a PUT too; what it asks for, when it does', async () => {
    const client = await aProfiledClient(hub);
    const { id, configuration } = await client.create();
    expect(configuration['events_delivered']).toEqual(useCases);
    expect(configuration['events_supported']).toEqual(
      expect.arrayContaining([...useCases, caep('device-compliance-change')]),
    );
    const asks = { stream_id: id, events_requested: [caep('device-compliance-change')] };
    const asked = await client.call('PATCH', '/ssf/streams', asks);
    expect(asked.body['events_delivered']).toEqual(asks.events_requested);
    const silent = await client.call('PUT', '/ssf/streams', { stream_id: id });
    expect(silent.body['events_delivered']).toEqual(useCases);
  });

  it('while one without the profile delivers nothing then', async () => {
    const { configuration } = await (await aProfiledClient(hub, {})).create();
    expect(configuration['events_delivered']).toEqual([]);
  });
});

describe('reason_admin is not empty', () => {
  it.each(caepEventTypes.map(({ name, example }) => [name, withoutReason(example)] as const))(
    '%s, whether anybody gave a reason or not',
    async (name, data) => {
      const stream = await aStream({ events_requested: [caep(name)] });
      await post({ event: name, subject: alice, data });
      await post({ event: name, subject: bob, data, reason: 'stolen laptop' });
      expect((await hub.call('POST', `/v1/streams/${stream.id}/samples`)).status).toBe(202);
      const events = await told(stream);
      expect(events.map(({ type }) => type)).toEqual([caep(name), caep(name), caep(name)]);
      const reasons = events.map(({ sub_id: { email }, event }) => [email, event['reason_admin']]);
      expect(Object.fromEntries(reasons)).toEqual({
        [alice.email]: notEmpty,
        [bob.email]: { en: 'stolen laptop' },
        'sample@example.com': notEmpty,
      });
    },
  );
});

describe('§3.1: session revocation', () => {
  it('an agent that is killed by an event that the stream does not deliver is told, and its descendant, each once', async () => {
    const stream = await aStream();
    const takesBoth = await aStream({
      events_requested: [risc('credential-compromise'), caep('session-revoked')],
    });
    const other = await (await aProfiledClient(hub, {})).create({
      events_requested: [caep('session-revoked')],
    });
    await post({ event: 'credential-compromise', subject: { agent: 'build-runner' } });
    const named = (sub: string) => ({ format: 'iss_sub', iss, sub });
    const revoked = {
      type: caep('session-revoked'),
      event: expect.objectContaining({ initiating_entity: expect.any(String), reason_admin: notEmpty }),
    };
    expect(await told(stream)).toEqual([
      { sub_id: named('build-runner'), ...revoked },
      { sub_id: named('child'), ...revoked },
    ]);
    expect((await told(takesBoth)).map(({ type, sub_id }) => [type, sub_id])).toEqual([
      [risc('credential-compromise'), named('build-runner')],
      [caep('session-revoked'), named('child')],
    ]);
    expect((await told(other)).map(({ type, sub_id }) => [type, sub_id])).toEqual([
      [caep('session-revoked'), { format: 'complex', application: named('build-runner') }],
      [caep('session-revoked'), named('build-runner')],
      [caep('session-revoked'), { format: 'complex', application: named('child') }],
    ]);
  });

  it('an order of an operator is told so, too', async () => {
    const stream = await aStream();
    await post({ event: 'revocation-ordered', subject: { iss, client_id: 'ordered' }, reason: 'an order' });
    expect(await told(stream)).toMatchObject([
      {
        type: caep('session-revoked'),
        sub_id: { sub: 'ordered' },
        event: { reason_admin: { en: 'an order' } },
      },
    ]);
  });

  it('what denies nobody is not', async () => {
    const stream = await aStream();
    await post({
      event: 'risk-level-change',
      subject: alice,
      data: { principal: 'USER', current_level: 'LOW' },
    });
    expect(await told(stream)).toEqual([]);
  });
});

describe('§3.2: credential change', () => {
  it.each(['create', 'revoke', 'update', 'delete'])('%s is told with its members', async (change) => {
    const stream = await aStream();
    const data = { credential_type: 'fido2-roaming', change_type: change, friendly_name: 'a key' };
    await post({ event: 'credential-change', subject: alice, data });
    expect(await told(stream)).toContainEqual({
      sub_id: alice,
      type: caep('credential-change'),
      event: expect.objectContaining({ ...data, reason_admin: notEmpty }),
    });
  });
});

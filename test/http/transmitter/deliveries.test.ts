import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver, caep, type SsfReceiver } from '../../support/an-ssf-receiver.ts';

const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/';
const subject = (client: string) => ({ iss: 'https://idp.example', client_id: client });

let hub: Hub;
let receiver: SsfReceiver;
let stream: string;
let signalIds: string[];
beforeAll(async () => {
  hub = await startHub({ PUBLIC_URL: 'https://hub.example' });
  receiver = await anSsfReceiver(hub);
  await hub.call('PUT', '/v1/issuers', { body: { url: 'https://idp.example', profile: 'rfc9068' } });
  const made = await hub.call('POST', '/v1/streams', {
    body: { receiver: receiver.name, events_requested: ['session-revoked', 'credential-change'] },
  });
  stream = String(made.body['id']);
  signalIds = [];
  for (const client of ['one', 'two']) {
    const body = { event: 'session-revoked', subject: subject(client) };
    signalIds.push(String((await hub.call('POST', '/v1/signals', { body })).body['signal_id']));
  }
  await hub.call('POST', `/v1/streams/${stream}/verify`);
});
afterAll(() => hub.stop());

const list = async (query = '', kind = 'deliveries') => {
  const answer = await hub.call('GET', `/v1/streams/${stream}/${kind}${query}`);
  expect(answer.status, answer.text).toBe(200);
  return answer.body as { items: Record<string, unknown>[]; next_cursor: string | null };
};
const eventsOf = async (query: string) => (await list(query)).items.map((item) => item['event_type']);

describe('GET /v1/streams/:id/deliveries', () => {
  it('200: what waits, newest first, with whom it is about', async () => {
    const { items, next_cursor: next } = await list();
    expect(next).toBeNull();
    expect(items.map((item) => item['event_type'])).toEqual([
      `${ssf}verification`,
      caep('session-revoked'),
      caep('session-revoked'),
    ]);
    expect(items[1]).toMatchObject({
      state: 'pending',
      attempts: 0,
      signal_id: signalIds[1],
      subject: { application: { iss: 'https://idp.example', sub: 'two' } },
      due_at_ms: expect.any(Number),
    });
    expect(items[1]).not.toHaveProperty('claims');
  });

  it('200: in pages, and filtered', async () => {
    const first = await list('?limit=2');
    expect(first.items).toHaveLength(2);
    const rest = await list(`?limit=2&cursor=${first.next_cursor}`);
    expect([rest.items.length, rest.next_cursor]).toEqual([1, null]);
    expect(await eventsOf('?event_type=verification')).toEqual([`${ssf}verification`]);
    expect(await eventsOf(`?event_type=${caep('session-revoked')}&subject=one`)).toHaveLength(1);
    expect(await eventsOf(`?signal_id=${signalIds[0]}`)).toHaveLength(1);
    expect(await eventsOf('?state=delivered')).toEqual([]);
    expect(await eventsOf(`?since_ms=${Date.now() + 3_600_000}`)).toEqual([]);
  });

  it('200: what was taken is delivered, what was refused is dead, and both are still there', async () => {
    const poll = (body: object) => receiver.call('POST', `/ssf/poll/${stream}`, body);
    const { sets } = (await poll({ returnImmediately: true })).body as { sets: Record<string, string> };
    const jtis = (await list()).items.map((item) => String(item['jti']));
    expect(Object.keys(sets).toSorted()).toEqual(jtis.toSorted());
    const [taken, refused] = jtis as [string, string];
    await poll({
      returnImmediately: true,
      ack: [taken],
      setErrs: { [refused]: { err: 'invalid_request', description: 'no' } },
    });
    expect((await list('?state=delivered')).items).toMatchObject([{ jti: taken, attempts: 1 }]);
    const dead = await list('?state=dead');
    expect(dead.items).toMatchObject([
      {
        jti: refused,
        settled_at_ms: expect.any(Number),
        answer: { err: 'invalid_request', description: 'no' },
      },
    ]);
    expect(await list('', 'dead-letters')).toEqual(dead);
    // And somebody must look at it; what was no SET of the stream is nothing.
    await poll({ returnImmediately: true, setErrs: { none: { err: 'invalid_request' } } });
    const warned = hub.lines.filter((line) => line.includes('a SET was not taken'));
    expect(warned).toEqual([expect.stringContaining(refused)]);
    const { text } = await hub.call('GET', '/metrics');
    expect(text).toMatch(/^caep_hub_alerts_total\{kind="dead-letter"\} 1$/m);
  });

  it.each([
    ['state=lost', 'invalid-request', '/query/state'],
    ['event_type=sesion-revoked', 'unknown-event-type', '/query/event_type'],
    ['event_type=revocation-ordered', 'unknown-event-type', '/query/event_type'],
    ['since_ms=yesterday', 'invalid-request', '/query/since_ms'],
    ['limit=201', 'invalid-request', '/query/limit'],
    ['cursor=x', 'invalid-request', '/query/cursor'],
    ['who=jdoe', 'invalid-request', '/query/who'],
  ])('400: ?%s', async (query, code, where) => {
    const answer = await hub.call('GET', `/v1/streams/${stream}/deliveries?${query}`);
    expect(answer.body).toMatchObject({ status: 400, code, errors: [{ path: where }] });
  });

  it('400: dead letters have no other state', async () => {
    const answer = await hub.call('GET', `/v1/streams/${stream}/dead-letters?state=pending`);
    expect(answer.status).toBe(400);
  });

  it('403, 404: for operators only, and of a stream that is there', async () => {
    const operator = await anSsfReceiver(hub, ['streams.write']);
    for (const kind of ['deliveries', 'dead-letters', 'deliveries/set_1']) {
      expect((await receiver.call('GET', `/v1/streams/${stream}/${kind}`)).status, kind).toBe(403);
      expect((await hub.call('GET', `/v1/streams/str_none/${kind}`)).status, kind).toBe(404);
    }
    expect((await operator.call('GET', `/v1/streams/${stream}/deliveries`)).status).toBe(200);
  });
});

describe('GET /v1/streams/:id/deliveries/:jti', () => {
  it('200: its claims, as they are signed', async () => {
    const [item] = (await list('?event_type=session-revoked')).items;
    const shown = await hub.call('GET', `/v1/streams/${stream}/deliveries/${String(item?.['jti'])}`);
    expect(shown.status).toBe(200);
    const { claims, kid, ...rest } = shown.body;
    expect(rest).toEqual(item);
    expect(kid).toEqual(expect.any(String));
    expect(claims).toMatchObject({
      iss: 'https://hub.example',
      jti: item?.['jti'],
      aud: `token:${receiver.name}/${stream}`,
      sub_id: item?.['subject'],
      events: { [caep('session-revoked')]: { reason_admin: {} } },
    });
  });

  it('404: for one of another stream and for none', async () => {
    const other = await hub.call('POST', '/v1/streams', { body: { receiver: receiver.name } });
    const [item] = (await list()).items;
    for (const way of [
      `${String(other.body['id'])}/deliveries/${String(item?.['jti'])}`,
      `${stream}/deliveries/none`,
    ]) {
      const answer = await hub.call('GET', `/v1/streams/${way}`);
      expect(answer.body).toMatchObject({ status: 404, code: 'not-found' });
    }
  });
});

describe('POST /v1/streams/:id/replay', () => {
  it('400: of a disabled stream, where it would be dropped', async () => {
    const body = { status: 'disabled' };
    await hub.call('PATCH', `/v1/streams/${stream}`, { body });
    const answer = await hub.call('POST', `/v1/streams/${stream}/replay`, { body: {} });
    expect(answer.body).toMatchObject({ status: 400, code: 'stream-not-enabled' });
    expect((await list('?state=dead')).items).toHaveLength(1);
    await hub.call('PATCH', `/v1/streams/${stream}`, { body: { status: 'paused' } });
    const replayed = await hub.call('POST', `/v1/streams/${stream}/replay`, { body: {} });
    expect(replayed.body).toEqual({ count: 1, outdated: 0, more: false, dry_run: false });
  });
});

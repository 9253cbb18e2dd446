import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';

let transmitter: Hub;
let receiver: Hub;
const client = { client_id: 'sister', client_secret: '' };
beforeAll(async () => {
  const environment = { OUTBOUND_ALLOW: '127.0.0.1,localhost' };
  [transmitter, receiver] = await Promise.all([startHub(environment), startHub(environment)]);
  const made = await transmitter.call('POST', '/v1/clients', {
    body: { client_id: 'sister', scopes: ['ssf.manage', 'ssf.read'] },
  });
  client.client_secret = String(made.body['client_secret']);
});
afterAll(() => Promise.all([transmitter?.stop(), receiver?.stop()]));

const becomes = (name: string, state: string) =>
  vi.waitUntil(
    async () => {
      const { body } = await receiver.call('GET', `/v1/upstreams/${name}`);
      return (body['health'] as { state: string }).state === state ? body : undefined;
    },
    { timeout: 60_000, interval: 50 },
  );

it.each(['push', 'poll'])(
  'another hub is listened to by %s: found, authorized, connected, verified; its kill becomes one here; and let go',
  async (delivery) => {
    const name = `sister-${delivery}`;
    const added = await receiver.call('POST', '/v1/upstreams', {
      body: {
        name,
        issuer: transmitter.issuer,
        delivery,
        credentials: { kind: 'client', method: 'client_secret_basic', ...client, scope: 'ssf.manage' },
        limits: { subject_issuers: ['https://idp.example'] },
      },
    });
    expect(added.status, added.text).toBe(201);
    await becomes(name, 'verified');
    const tested = await receiver.call('POST', `/v1/upstreams/${name}/test`);
    expect(tested.body, tested.text).toMatchObject({ ok: true });

    const subject = { format: 'iss_sub', iss: 'https://idp.example', sub: `mara-${delivery}` };
    await transmitter.call('POST', '/v1/signals', { body: { event: 'session-revoked', subject } });
    const signal = await vi.waitUntil(
      async () => {
        const { body } = await receiver.call('GET', `/v1/signals?source=${name}`);
        return (body['items'] as object[])[0];
      },
      { timeout: 60_000, interval: 50 },
    );
    expect(JSON.stringify(signal)).toContain(`mara-${delivery}`);
    const removed = await receiver.call('DELETE', `/v1/upstreams/${name}`);
    expect(removed.body).toEqual({ removed: name, stream: 'deleted' });
    expect((await transmitter.call('GET', '/v1/streams')).body['items']).toEqual([]);
  },
);

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

let hub: Hub;
let peer: Upstream;
beforeAll(async () => {
  hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1,localhost' });
  peer = await startUpstream({ authorization: { kind: 'token', token: 'hunter2-token' } });
});
afterAll(async () => {
  await hub?.stop();
  await peer?.close();
});
afterEach(async () => {
  const { body } = await hub.call('GET', '/v1/upstreams');
  for (const { name } of body['items'] as { name: string }[])
    await hub.call('DELETE', `/v1/upstreams/${name}`);
  peer.behave();
  peer.verifies('as-asked');
  peer.forgetStreams();
});

const credentials = { kind: 'token', token: 'hunter2-token' };
const add = (body: object = {}) =>
  hub.call('POST', '/v1/upstreams', {
    body: { name: 'okta', issuer: peer.issuer, algorithm: 'ES256', credentials, ...body },
  });
const show = async (name = 'okta') => (await hub.call('GET', `/v1/upstreams/${name}`)).body;
const becomes = (state: string, name = 'okta') =>
  vi.waitUntil(
    async () => {
      const body = await show(name);
      return (body['health'] as { state: string }).state === state ? body : undefined;
    },
    { timeout: 60_000, interval: 50 },
  );

describe('POST /v1/upstreams', () => {
  it.each(['push', 'poll'])(
    '201: it is connected and verified by %s, and never shows a secret',
    async (delivery) => {
      const made = await add({ delivery });
      expect(made.status, made.text).toBe(201);
      expect(made.body).toMatchObject({
        name: 'okta',
        health: { state: 'connecting' },
        credentials: { kind: 'token' },
      });
      const shown = await becomes('verified');
      const [stream] = [...peer.streams.values()];
      expect(shown).toMatchObject({
        binding: { jwks_uri: peer.jwksUri, audience: [stream?.aud], stream_id: stream?.id },
        stream: { status: 'enabled' },
      });
    },
  );
});

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/vocabulary.ts';
import type { TransmitterClient, UpstreamCredentials } from '../../src/receiver/ports.ts';
import { type Hub, startHub } from '../support/a-hub.ts';
import {
  aPoll,
  aWantedStream,
  done,
  failure,
  type OpenedClient,
  transmitterClients,
} from '../support/a-transmitter-client.ts';
import { anAssertionKey, makeClient } from '../http/authorization/an-oauth-client.ts';

const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification';
const scopes = ['ssf.read', 'ssf.manage'];
let hub: Hub;
let clients: OpenedClient;
beforeAll(async () => {
  hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1' });
  clients = transmitterClients();
});
afterAll(async () => {
  await clients.close();
  await hub.stop();
});

const open = (credentials: UpstreamCredentials): TransmitterClient =>
  clients.open({ issuer: hub.issuer }, credentials);

/** With clients of its built-in authorization server, which is found by its metadata. */
async function credentialsBy(method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt') {
  const clientId = `hub-by-${method}`;
  const scope = scopes.join(' ');
  if (method !== 'private_key_jwt') {
    const { client_secret: clientSecret = '' } = await makeClient(hub, {
      client_id: clientId,
      scopes,
      auth_method: method,
    });
    return { kind: 'client', clientId, method, clientSecret, scope } as const;
  }
  const { jwk, privateKey } = anAssertionKey('key-1');
  await makeClient(hub, {
    client_id: clientId,
    scopes,
    auth_method: method,
    jwks: { keys: [jwk] },
  });
  const privateJwk = { ...privateKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256' } as JsonObject;
  return { kind: 'client', clientId, method, privateJwk, scope, resource: hub.issuer } as const;
}

describe.each(['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const)(
  'a hub receives from a hub, as a client by %s',
  (method) => {
    it('from the first look at the metadata to the end of the stream', async () => {
      const client = open(await credentialsBy(method));
      const { endpoints, jwksUri } = await done(client.discover());
      expect(jwksUri).toBe(`${hub.issuer}/jwks.json`);
      expect(await done(client.listStreams(endpoints))).toEqual([]);

      const created = await done(client.createStream(endpoints, aWantedStream()));
      const { streamId: id, endpointUrl = '' } = created;
      expect(created).toMatchObject({
        iss: hub.issuer,
        method: 'urn:ietf:rfc:8936',
        eventsDelivered: aWantedStream().eventsRequested,
      });
      expect(await done(client.readStream(endpoints, id))).toEqual(created);

      const fewer = aWantedStream({ eventsRequested: [], description: 'fewer' });
      expect(await done(client.updateStream(endpoints, id, fewer))).toMatchObject({ eventsDelivered: [] });
      expect(await done(client.replaceStream(endpoints, id, aWantedStream()))).toMatchObject({
        eventsDelivered: created.eventsDelivered,
        raw: { description: 'hub' },
      });
      const paused = { status: 'paused', reason: 'upkeep' };
      expect(await done(client.setStatus(endpoints, id, paused))).toEqual(paused);
      expect(await done(client.readStatus(endpoints, id))).toEqual(paused);
      await done(client.setStatus(endpoints, id, { status: 'enabled' }));

      await done(client.verify(endpoints, id, 'state-1'));
      expect(await failure(client.verify(endpoints, id, 'state-2'))).toMatchObject({
        status: 429,
        retryAfterSeconds: expect.any(Number),
      });
      const { sets } = await done(client.poll(aPoll(endpointUrl, { returnImmediately: false })));
      const [[jti, compact] = ['', '']] = sets;
      expect(decodeJwt(compact)).toMatchObject({
        jti,
        iss: hub.issuer,
        aud: created.audience[0],
        events: { [verification]: { state: 'state-1' } },
      });
      const acked = await done(client.poll(aPoll(endpointUrl, { acks: [jti], setsMax: 0 })));
      expect(acked).toEqual({ sets: new Map(), moreAvailable: false });

      expect(await done(client.deleteStream(endpoints, id))).toBeUndefined();
      expect(await failure(client.readStream(endpoints, id))).toMatchObject({ step: 'read', status: 404 });
      expect(await failure(client.poll(aPoll(endpointUrl)))).toMatchObject({ step: 'poll', status: 404 });
      expect(await done(client.listStreams(endpoints))).toEqual([]);
    });
  },
);

it('what a token may not do is told as 403 with the code of the challenge', async () => {
  const made = await hub.call('POST', '/v1/tokens', { body: { actor: 'reader', scopes: ['ssf.read'] } });
  const client = open({ kind: 'token', token: String(made.body['token']) });
  const { endpoints } = await done(client.discover());
  expect(await failure(client.createStream(endpoints, aWantedStream()))).toMatchObject({
    step: 'connect',
    status: 403,
    text: expect.stringContaining('403 insufficient_scope'),
  });
});

it('a client that the authorization server does not know is told by its code', async () => {
  const stranger = {
    kind: 'client',
    clientId: 'nobody',
    method: 'client_secret_post',
    clientSecret: 'x',
  } as const;
  expect(
    await failure(open(stranger).listStreams({ configuration: `${hub.issuer}/ssf/streams` })),
  ).toMatchObject({
    step: 'authorize',
    text: expect.stringContaining('invalid_client'),
  });
});

it('a client that must prove a key is told so', async () => {
  const clientId = 'bound';
  const { client_secret: clientSecret = '' } = await makeClient(hub, {
    client_id: clientId,
    scopes,
    dpop_bound: true,
  });
  const client = open({ kind: 'client', clientId, method: 'client_secret_basic', clientSecret });
  expect(await failure(client.listStreams({ configuration: `${hub.issuer}/ssf/streams` }))).toMatchObject({
    step: 'authorize',
    status: 400,
  });
});

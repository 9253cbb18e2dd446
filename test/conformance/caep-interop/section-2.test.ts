import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { streamUpdatedEventType, verificationEventType } from '../../../src/core/set-claims.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { caep, pollMethod, pushMethod } from '../../support/an-ssf-receiver.ts';
import { discover, getToken, makeClient } from '../../http/authorization/an-oauth-client.ts';
import { aProfiledClient, eventOf, followed, profile, type ProfiledClient } from './a-profiled-client.ts';

/**
 * CAEP Interoperability Profile 1.0, draft 02. What is required of Transmitters, section by section, as a client with the
 * profile finds it. §2.1, TLS, is in `test/flows/https.test.ts` and `test/http/process/tls.test.ts`.
 */
let hub: Hub;
let client: ProfiledClient;
let metadata: Readonly<Record<string, unknown>>;
beforeAll(async () => {
  hub = await startHub();
  client = await aProfiledClient(hub);
  metadata = (await hub.call('GET', '/.well-known/ssf-configuration', { token: null })).body;
});
afterAll(() => hub.stop());

const pathOf = (name: string): string => new URL(String(metadata[name])).pathname;

describe('§2.3.1 to §2.3.7: transmitter configuration metadata', () => {
  it('§2.3.1: spec_version is 1_0 or greater', () => {
    expect(metadata['spec_version']).toBe('1_0');
  });

  it('§2.3.2: names both delivery methods', () => {
    expect(metadata['delivery_methods_supported']).toEqual([pushMethod, pollMethod]);
  });

  it('§2.3.3, §2.6: jwks_uri has the signing key, RSA of 2048 bits or more', async () => {
    const { body } = await hub.call('GET', pathOf('jwks_uri'), { token: null });
    const keys = body['keys'] as readonly { readonly alg: string; readonly n?: string }[];
    const sizes = keys
      .filter(({ alg }) => alg === 'RS256')
      .map(({ n = '' }) => Buffer.from(n, 'base64url').length);
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.min(...sizes) * 8).toBeGreaterThanOrEqual(2_048);
  });

  it('§2.3.4, §2.3.6: configuration and verification endpoints take POST', async () => {
    const { id } = await client.create();
    const answer = await client.call('POST', pathOf('verification_endpoint'), { stream_id: id });
    expect([pathOf('configuration_endpoint'), answer.status]).toEqual(['/ssf/streams', 204]);
  });

  it('§2.3.5: the status endpoint takes GET, and POST of each status', async () => {
    const { id } = await client.create();
    const path = pathOf('status_endpoint');
    for (const status of ['paused', 'disabled', 'enabled']) {
      expect((await client.call('POST', path, { stream_id: id, status })).status).toBe(200);
      expect((await client.call('GET', `${path}?stream_id=${id}`)).body).toMatchObject({ status });
    }
  });

  it('§2.3.7: authorization_schemes has OAuth 2.0', () => {
    expect(metadata['authorization_schemes']).toContainEqual({ spec_urn: 'urn:ietf:rfc:6749' });
  });
});

describe('§2.3.8: streams', () => {
  it('§2.3.8.1: are made for push, for poll, and for poll when nothing is said; delivery is always there', async () => {
    const push = { method: pushMethod, endpoint_url: 'https://receiver.example/sets' };
    for (const [sent, method] of [
      [{ delivery: push }, pushMethod],
      [{ delivery: { method: pollMethod } }, pollMethod],
      [{}, pollMethod],
    ] as const) {
      const { configuration, id } = await client.create(sent);
      expect(configuration['delivery']).toMatchObject({ method, endpoint_url: expect.any(String) });
      const read = await client.call('GET', `/ssf/streams?stream_id=${id}`);
      expect([read.status, read.body]).toEqual([200, configuration]);
      expect((await client.call('DELETE', `/ssf/streams?stream_id=${id}`)).status).toBe(204);
    }
  });

  it('§2.3.8.2: a stream is verified, with the state that was sent', async () => {
    const stream = await client.create();
    await client.call('POST', '/ssf/verify', { stream_id: stream.id, state: 'U2hhcmVk' });
    const [set] = await stream.read();
    expect(set?.sub_id).toEqual({ format: 'opaque', id: stream.id });
    expect(set && eventOf(set)).toEqual({ type: verificationEventType, event: { state: 'U2hhcmVk' } });
  });
});

describe('§2.4.2: all subjects are in a stream without AddSubject', () => {
  it('whatever an operator says', async () => {
    const made = await hub.call('POST', '/v1/streams', {
      body: { receiver: `client:${client.id}`, default_subjects: 'NONE' },
    });
    expect(made.body).toMatchObject({
      status: 400,
      detail: expect.stringContaining(profile),
      errors: [{ path: '/default_subjects', message: 'must be ALL' }],
    });
  });
});

describe('§2.5: event subjects', () => {
  const subjects = [
    { format: 'email', email: 'alice@example.com' },
    { format: 'iss_sub', iss: 'https://idp.example', sub: 'alice' },
  ];

  it.each(subjects)('%j is sent as it was said', async (subject) => {
    const stream = await client.create();
    await hub.call('POST', '/v1/signals', { body: { event: 'session-revoked', subject } });
    expect((await stream.read()).map(({ sub_id }) => sub_id)).toEqual([subject]);
  });

  it.each([
    ['user', { format: 'email', email: 'bob@example.com' }],
    ['application', { format: 'iss_sub', iss: 'https://idp.example', sub: 'build-runner' }],
  ])(
    'a complex subject that names one %s is sent as that, and to others as it was',
    async (role, identifier) => {
      const stream = await client.create();
      const other = await (await aProfiledClient(hub, {})).create({
        events_requested: [caep('session-revoked')],
      });
      const subject = { format: 'complex', [role]: identifier };
      await hub.call('POST', '/v1/signals', { body: { event: 'session-revoked', subject } });
      expect((await stream.read()).map(({ sub_id }) => sub_id)).toEqual([identifier]);
      expect((await other.read()).map(({ sub_id }) => sub_id)).toEqual([subject]);
    },
  );

  it('RemoveSubject of what is sent stops it', async () => {
    const stream = await client.create();
    const subject = { format: 'iss_sub', iss: 'https://idp.example', sub: 'quiet-runner' };
    await client.call('POST', '/ssf/subjects/remove', { stream_id: stream.id, subject });
    const body = {
      event: 'session-revoked',
      subject: { iss: 'https://idp.example', client_id: 'quiet-runner' },
    };
    expect((await hub.call('POST', '/v1/signals', { body })).status).toBe(202);
    expect(await stream.read()).toEqual([]);
  });
});

describe('§2.6: event signatures', () => {
  it('are RS256 for every event, those about the stream included', async () => {
    const made = await hub.call('POST', '/v1/streams', { body: { receiver: `client:${client.id}` } });
    expect(made.body).toMatchObject({ algorithm: 'RS256', profile });
    const stream = followed(hub, client.call, made.body);
    await hub.call('POST', `/v1/streams/${stream.id}/verify`);
    await hub.call('POST', `/v1/streams/${stream.id}/samples`);
    const before = await stream.read();
    await hub.call('PATCH', `/v1/streams/${stream.id}`, { body: { status: 'paused', reason: 'a test' } });
    const types = [...before, ...(await stream.read())].map((set) => eventOf(set).type);
    expect(types).toEqual(
      expect.arrayContaining([verificationEventType, streamUpdatedEventType, caep('session-revoked')]),
    );
  });

  it.each(['ES256', 'EdDSA'])('an operator cannot have it signed %s', async (algorithm) => {
    const receiver = `client:${client.id}`;
    const refused = { status: 400, errors: [{ path: '/algorithm', message: 'must be RS256' }] };
    const made = await hub.call('POST', '/v1/streams', { body: { receiver, algorithm } });
    expect(made.body).toMatchObject(refused);
    const { id } = await client.create();
    const changed = await hub.call('PATCH', `/v1/streams/${id}`, { body: { algorithm } });
    expect(changed.body).toMatchObject(refused);
    expect((await hub.call('GET', `/v1/streams/${id}`)).body).toMatchObject({ algorithm: 'RS256' });
  });
});

describe('§2.7: OAuth', () => {
  it('§2.7.1: client credentials give tokens of at most 60 min', async () => {
    const { iat = 0, exp = Infinity } = decodeJwt(client.token);
    expect(exp - iat).toBeLessThanOrEqual(3_600);
    const { server } = await discover(hub);
    expect(server.grant_types_supported).toContain('client_credentials');
  });

  it('§2.7.2: protected resource metadata names the scopes; ssf.read reads, ssf.manage does the rest', async () => {
    const { resource } = await discover(hub);
    expect(resource.scopes_supported).toEqual(expect.arrayContaining(['ssf.read', 'ssf.manage']));
    const made = await makeClient(hub, { client_id: 'reads-only', scopes: ['ssf.read'], profile });
    const { access_token: token } = await getToken(hub, made);
    expect((await hub.call('GET', '/ssf/streams', { token })).status).toBe(200);
    const refused = await hub.call('POST', '/ssf/streams', { token, body: {} });
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  it('§2.7.3: takes tokens in the header, never in the query', async () => {
    const answer = await hub.call('GET', `/ssf/streams?access_token=${client.token}`, { token: null });
    expect(answer.status).toBe(401);
    expect((await client.call('GET', '/ssf/streams')).status).toBe(200);
  });

  it('§2.7.3: verifies integrity and revocation status', async () => {
    const revoked = await aProfiledClient(hub);
    const forged = await hub.call('GET', '/ssf/streams', { token: `${revoked.token.slice(0, -4)}AAAA` });
    expect(forged.status).toBe(401);
    expect((await revoked.call('GET', '/ssf/streams')).status).toBe(200);
    await hub.call('DELETE', `/v1/clients/${revoked.id}`);
    expect((await revoked.call('GET', '/ssf/streams')).status).toBe(401);
  });
});

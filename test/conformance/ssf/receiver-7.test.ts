import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { metadataUrlOf } from '../../../src/adapters/ssf/discover.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import { done, failure, transmitterClients } from '../../support/a-transmitter-client.ts';
import { anAuthority } from '../../support/certificates.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

const clients = transmitterClients();
let upstream: Upstream;
beforeAll(async () => {
  upstream = await startUpstream({
    metadata: { critical_subject_members: ['tenant'], something_new: { of: ['the', 'future'] } },
  });
});
afterEach(() => upstream.behave());
afterAll(async () => {
  await upstream.close();
  await clients.close();
});

const discover = () => clients.open({ issuer: upstream.issuer }).discover();
const lie = (change: JsonObject) =>
  upstream.misbehave('metadata', { kind: 'lies', change: (metadata) => ({ ...metadata, ...change }) });

describe('SSF 1.0 §7.2.1: where the metadata is', () => {
  it.each([
    ['https://tr.example', 'https://tr.example/.well-known/ssf-configuration'],
    ['https://tr.example/', 'https://tr.example/.well-known/ssf-configuration'],
    ['https://tr.example/issuer1', 'https://tr.example/.well-known/ssf-configuration/issuer1'],
    ['https://tr.example/issuer1/', 'https://tr.example/.well-known/ssf-configuration/issuer1'],
    ['https://tr.example:8443/a/b', 'https://tr.example:8443/.well-known/ssf-configuration/a/b'],
    ['http://tr.example', undefined],
    ['https://tr.example?a=b', undefined],
    ['https://tr.example#a', undefined],
    ['https://u:p@tr.example', undefined],
    ['tr.example', undefined],
    ['', undefined],
  ])('%s: %s', (issuer, url) => {
    expect(metadataUrlOf(issuer)).toBe(url);
  });

  it('is asked with GET and without credentials', async () => {
    const credentials = { kind: 'token', token: 'a-secret' } as const;
    await done(clients.open({ issuer: upstream.issuer }, credentials).discover());
    const asked = upstream.requests.at(-1);
    expect(asked).toMatchObject({ method: 'GET', path: '/.well-known/ssf-configuration/tenant-1' });
    expect(asked?.headers).not.toHaveProperty('authorization');
  });

  it('is where a person says it is', async () => {
    const plain = await startUpstream({ path: '' });
    const given = { issuer: plain.issuer, metadataUrl: plain.metadataUrl };
    expect(await done(clients.open(given).discover())).toMatchObject({ issuer: plain.issuer });
    expect(
      await failure(clients.open({ ...given, metadataUrl: `${plain.issuer}/nowhere` }).discover()),
    ).toEqual({
      kind: 'failed',
      step: 'discover',
      text: 'The Transmitter has nothing there (metadata: 404).',
      status: 404,
    });
    await plain.close();
  });

  it('an issuer that no Transmitter can have is told before anybody is called', async () => {
    const from = upstream.requests.length;
    for (const issuer of ['http://tr.example', 'tr.example']) {
      const client = clients.open({ issuer, metadataUrl: upstream.metadataUrl });
      expect(await failure(client.discover())).toMatchObject({
        step: 'discover',
        text: expect.stringContaining('https'),
      });
    }
    expect(upstream.requests).toHaveLength(from);
  });

  it('over TLS, by an authority that the operator trusts', async () => {
    const authority = anAuthority();
    const safe = await startUpstream({ tls: authority.issue(['127.0.0.1']) });
    const trusting = transmitterClients({ extraCa: [authority.pem] });
    expect(await done(trusting.open({ issuer: safe.issuer }).discover())).toMatchObject({
      issuer: safe.issuer,
    });
    expect(await failure(clients.open({ issuer: safe.issuer }).discover())).toMatchObject({
      step: 'discover',
    });
    await Promise.all([safe.close(), trusting.close()]);
  });
});

describe('SSF 1.0 §7.1: what the metadata says', () => {
  it('is taken as far as it is known; what is unknown is ignored', async () => {
    expect(await done(discover())).toEqual({
      issuer: upstream.issuer,
      jwksUri: upstream.jwksUri,
      endpoints: {
        configuration: `${upstream.issuer}/streams`,
        status: `${upstream.issuer}/status`,
        verification: `${upstream.issuer}/verify`,
      },
      deliveryMethods: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
      criticalSubjectMembers: ['tenant'],
    });
  });

  it('SSF 1.0 §7.2.4: the issuer is compared as text', async () => {
    for (const issuer of [`${upstream.issuer}/`, upstream.issuer.toUpperCase(), 'https://other.example', 7]) {
      lie({ issuer });
      expect(await failure(discover())).toMatchObject({
        step: 'discover',
        text: expect.stringContaining('another issuer'),
      });
    }
    const slashed = clients.open({ issuer: `${upstream.issuer}/` });
    upstream.behave();
    expect(await failure(slashed.discover())).toMatchObject({
      text: expect.stringContaining('another issuer'),
    });
  });

  it.each<[string, JsonObject]>([
    ['no jwks_uri', { jwks_uri: null }],
    ['a jwks_uri without TLS', { jwks_uri: 'http://tr.example/jwks' }],
    ['an endpoint without TLS', { status_endpoint: 'http://tr.example/status' }],
    ['an endpoint that is no URL', { verification_endpoint: 'verify' }],
    ['an endpoint that is no text', { add_subject_endpoint: { url: 'https://tr.example' } }],
    ['an endpoint with a user', { configuration_endpoint: 'https://a:b@tr.example/' }],
    ['SEC-10: one endpoint elsewhere', { status_endpoint: 'https://elsewhere.example/status' }],
    ['delivery methods that are no list', { delivery_methods_supported: 'urn:ietf:rfc:8935' }],
    ['critical members that are no texts', { critical_subject_members: [1] }],
    ['more members than there can be', { critical_subject_members: Array.from({ length: 1_000 }, String) }],
  ])('is not taken at all with %s', async (_what, change) => {
    lie(change);
    expect(await failure(discover())).toMatchObject({ step: 'discover' });
  });

  it('without jwks_uri nothing could be believed', async () => {
    upstream.misbehave('metadata', { kind: 'lies', change: ({ jwks_uri: _gone, ...metadata }) => metadata });
    expect(await failure(discover())).toMatchObject({ text: expect.stringContaining('jwks_uri') });
  });

  it('SEC-10: all endpoints together may be at one other origin', async () => {
    const at = (path: string) => `https://api.tr.example/${path}`;
    const moved = {
      configuration_endpoint: at('streams'),
      status_endpoint: at('status'),
      verification_endpoint: at('verify'),
    };
    lie(moved);
    expect((await done(discover())).endpoints.configuration).toBe(moved.configuration_endpoint);
  });

  it('§8: a Transmitter may have no management API', async () => {
    const { jwksUri, issuer } = upstream;
    upstream.misbehave('metadata', { kind: 'lies', change: () => ({ issuer, jwks_uri: jwksUri }) });
    expect(await done(discover())).toEqual({ issuer, jwksUri, endpoints: {}, criticalSubjectMembers: [] });
    const client = clients.open({ issuer });
    expect(await failure(client.listStreams({}))).toMatchObject({
      step: 'connect',
      text: 'Its metadata names no configuration_endpoint.',
    });
    expect(await failure(client.readStatus({}, 'a'))).toMatchObject({ step: 'status' });
    expect(await failure(client.verify({}, 'a', 'state'))).toMatchObject({ step: 'verify' });
  });
});

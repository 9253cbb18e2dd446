import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listen, path } from './a-listening-hub.ts';

const at = listen();

describe('POST /v1/upstreams', () => {
  it.each(['push', 'poll'])(
    '201: it is connected and verified by %s, and shows no secret',
    async (delivery) => {
      const made = await at.add({ delivery });
      expect(made.status, made.text).toBe(201);
      expect(made.body).toMatchObject({
        name: 'okta',
        health: { state: 'connecting' },
        credentials: { kind: 'token' },
        verify_every_seconds: 3_600,
      });
      expect(await at.becomes('verified')).toMatchObject({
        binding: { jwks_uri: at.peer.jwksUri, audience: [at.stream().aud], stream_id: at.stream().id },
        stream: { status: 'enabled' },
        last_set_at_ms: expect.any(Number),
      });
      const source = (await at.hub.call('GET', '/v1/sources/okta')).body;
      expect(source['subject_issuers']).toEqual([at.peer.issuer]);
      expect((source['event_types'] as string[]).some((uri) => uri.startsWith('urn:caep-hub'))).toBe(false);
      const list = await at.on('GET', '/sets');
      expect(list.body['items']).toMatchObject([{ outcome: 'verification' }]);
      const pushed = at.stream().delivery.authorization ?? 'Bearer none';
      const everything = [
        made.text,
        (await at.on('GET')).text,
        (await at.hub.call('GET', path)).text,
        (await at.on('GET', '/stream')).text,
        list.text,
        (await at.hub.call('GET', '/v1/audit?limit=200')).text,
        ...at.hub.lines,
      ].join('\n');
      for (const secret of ['hunter2', pushed.replace('Bearer ', '')])
        expect(everything).not.toContain(secret);
    },
  );

  it('201: the issuer is read from where its metadata belongs', async () => {
    const made = await at.add({ issuer: undefined, metadata_url: at.peer.metadataUrl });
    expect(made.body).toMatchObject({ issuer: at.peer.issuer });
    expect(made.body['metadata_url']).toBeUndefined();
  });

  it('400: metadata that belongs elsewhere names nobody; with the issuer it is taken', async () => {
    at.peer.misbehave(
      'metadata',
      { kind: 'lies', change: (body) => ({ ...body, issuer: `${at.peer.issuer}/other` }) },
      1,
    );
    const refused = await at.add({ issuer: undefined, metadata_url: at.peer.metadataUrl });
    expect(refused.body).toMatchObject({ status: 400, errors: [{ path: '/metadata_url' }] });
    expect((await at.add({ metadata_url: at.peer.metadataUrl })).body).toMatchObject({
      metadata_url: at.peer.metadataUrl,
    });
  });

  it('502: metadata that cannot be had', async () => {
    at.peer.misbehave('metadata', { kind: 'answers', status: 500 });
    const refused = await at.add({ issuer: undefined, metadata_url: at.peer.metadataUrl });
    expect(refused.body).toMatchObject({ status: 502, code: 'upstream-failed', step: 'discover' });
    expect((await at.hub.call('GET', path)).body['items']).toEqual([]);
  });

  it('201: for private_key_jwt the hub makes a key and shows its public half only', async () => {
    const client = {
      kind: 'client',
      client_id: 'hub',
      method: 'private_key_jwt',
      token_endpoint: at.peer.tokenEndpoint,
    };
    const made = await at.add({ credentials: client });
    const { public_jwk: jwk } = made.body['credentials'] as { public_jwk: Record<string, string> };
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(jwk).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256' });
    const again = await at.on('PATCH', '', { credentials: { ...client, scope: 'ssf.manage' } });
    expect(again.body['credentials']).toMatchObject({ scope: 'ssf.manage', public_jwk: jwk });
    const other = await at.on('PATCH', '', { credentials: { ...client, new_key: true } });
    expect((other.body['credentials'] as { public_jwk: unknown }).public_jwk).not.toEqual(jwk);
  });

  it('201: without management API a push carries what is told once', async () => {
    const unmanaged = { jwks_uri: at.peer.jwksUri, audience: ['hub'] };
    const made = await at.add({ unmanaged, credentials: undefined });
    expect(made.body['push_authorization']).toMatch(/^Bearer [\w-]{43}$/);
    const shown = await at.becomes('unverified');
    expect(shown).toMatchObject({ binding: { audience: ['hub'] }, unmanaged });
    expect(JSON.stringify(shown)).not.toContain(String(made.body['push_authorization']).slice(7));
  });

  it.each<[string, object, string]>([
    ['no issuer', { issuer: undefined }, '/issuer'],
    ['an issuer that is no URL', { issuer: 'okta' }, '/issuer'],
    ['an issuer where the hub does not go', { issuer: 'https://10.0.0.1' }, '/issuer'],
    ['metadata where the hub does not go', { metadata_url: 'https://169.254.169.254/' }, '/metadata_url'],
    ['a bad name', { name: 'a b' }, '/name'],
    ['an unknown algorithm', { algorithm: 'none' }, '/algorithm'],
    ['a MAC', { algorithm: 'HS256' }, '/algorithm'],
    ['an unknown event', { events: ['sesion'] }, '/events/0'],
    ['a token without token', { credentials: { kind: 'token' } }, '/credentials/token'],
    [
      'a token that breaks a header',
      { credentials: { kind: 'token', token: 'a\r\nb' } },
      '/credentials/token',
    ],
    [
      'a client without secret',
      { credentials: { kind: 'client', client_id: 'a' } },
      '/credentials/client_secret',
    ],
    [
      'a secret beside a key',
      { credentials: { kind: 'client', client_id: 'a', method: 'private_key_jwt', client_secret: 'b' } },
      '/credentials/client_secret',
    ],
    ['members of another kind', { credentials: { kind: 'none', token: 'a' } }, '/credentials/token'],
    [
      'polling without a URL',
      { delivery: 'poll', unmanaged: { jwks_uri: 'https://127.0.0.1/k', audience: ['a'] } },
      '/unmanaged/poll_url',
    ],
    ['seconds below the least', { verify_every_seconds: 1 }, '/verify_every_seconds'],
    ['an unknown limit', { limits: { event_types: ['nothing'] } }, '/limits/event_types/0'],
    ['a member nobody knows', { issuers: [] }, '/issuers'],
  ])('400: %s', async (_name, body, member) => {
    const refused = await at.add(body);
    expect([refused.status, (refused.body['errors'] as { path: string }[])[0]?.path]).toEqual([400, member]);
    expect((await at.hub.call('GET', path)).body['items']).toEqual([]);
  });

  it('409: there is one of that name', async () => {
    await at.add();
    expect((await at.add()).body).toMatchObject({ status: 409, errors: [{ path: '/name' }] });
  });

  it('403: who may add upstreams lends nobody a source that is there, and sets no limits', async () => {
    const token = await at.tokenFor('upstreams.write');
    expect((await at.add({ limits: { subject_issuers: ['https://x.example'] } }, token)).status).toBe(403);
    await at.hub.call('PUT', '/v1/sources/mighty', { body: {} });
    expect((await at.add({ name: 'mighty' }, token)).body).toMatchObject({
      status: 403,
      scope: 'sources.write',
    });
    expect((await at.add({ name: 'humble' }, token)).status).toBe(201);
    expect((await at.add({ name: 'mighty' })).status).toBe(201);
  });
});

it('401, 403, 404: reading takes audit.read or upstreams.write, and what is not there is not there', async () => {
  const reader = await at.tokenFor('audit.read');
  const nobody = await at.tokenFor('signals.write');
  await at.add();
  expect((await at.hub.call('GET', `${path}/okta`, { token: reader })).status).toBe(200);
  expect((await at.hub.call('PATCH', `${path}/okta`, { token: reader, body: { paused: true } })).status).toBe(
    403,
  );
  expect((await at.hub.call('GET', path, { token: nobody })).status).toBe(403);
  expect((await at.hub.call('GET', path, { token: null })).status).toBe(401);
  for (const [method, step] of everyStep) {
    const body = method === 'POST' && step === '/status' ? { status: 'enabled' } : undefined;
    const options = body === undefined ? {} : { body };
    expect((await at.hub.call(method, `${path}/none${step}`, options)).status, `${method} ${step}`).toBe(404);
    expect((await at.hub.call(method, `${path}/okta${step}`, { token: nobody, ...options })).status).toBe(
      403,
    );
  }
});
const everyStep = [
  ['GET', ''],
  ['DELETE', ''],
  ['POST', '/connect'],
  ['GET', '/stream'],
  ['PATCH', '/stream'],
  ['PUT', '/stream'],
  ['DELETE', '/stream'],
  ['GET', '/status'],
  ['POST', '/status'],
  ['POST', '/verify'],
  ['POST', '/poll'],
  ['POST', '/test'],
  ['GET', '/sets'],
] as const;

it('no file of the hub has a secret of an upstream', async () => {
  await at.add();
  await at.becomes('verified');
  const pushed = at.stream().delivery.authorization!.replace('Bearer ', '');
  const files = readdirSync(join(at.hub.dataDir, 'db'), { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile(),
  );
  expect(files.length).toBeGreaterThan(100);
  for (const file of files) {
    const bytes = readFileSync(join(file.parentPath, file.name));
    expect(bytes.includes('hunter2-token') || bytes.includes(pushed), file.name).toBe(false);
  }
});

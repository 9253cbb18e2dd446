import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import type { ClientAuthentication, UpstreamCredentials } from '../../../src/receiver/ports.ts';
import { aPoll, done, failure, transmitterClients } from '../../support/a-transmitter-client.ts';
import type { Misbehaviour, Place } from '../../support/upstream-routes.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

const clients = transmitterClients();
const clientSecret = 's:e c%r+t/ü';
const keys: Record<string, { privateJwk: JsonObject; publicJwk: JWK }> = {};
let upstream: Upstream;
beforeAll(async () => {
  for (const alg of ['ES256', 'PS256', 'EdDSA']) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const more = { alg, kid: `key-of-${alg}` };
    keys[alg] = {
      privateJwk: { ...(await exportJWK(privateKey)), ...more },
      publicJwk: { ...(await exportJWK(publicKey)), ...more },
    };
  }
  upstream = await anUpstream('ES256');
});
afterEach(() => upstream.behave());
afterAll(async () => {
  await upstream.close();
  await clients.close();
});

const anUpstream = (alg: string) =>
  startUpstream({
    authorization: { kind: 'client', clientId: 'hub one', clientSecret, publicJwk: keys[alg]!.publicJwk },
  });

type Client = Extract<UpstreamCredentials, { readonly kind: 'client' }>;
const credentialsOf = (parts: Partial<Client> = {}): UpstreamCredentials =>
  ({ kind: 'client', clientId: 'hub one', method: 'client_secret_basic', clientSecret, ...parts }) as Client;

const open = (parts: Partial<Client> = {}, at = upstream) =>
  clients.open({ issuer: at.issuer }, credentialsOf(parts));
const list = (parts?: Partial<Client>, at = upstream) =>
  open(parts, at).listStreams({ configuration: `${at.issuer}/streams` });
const placesOf = (from: number) => upstream.requests.slice(from).map(({ place }) => place);

describe('RFC 6749 §4.4: a client gets a token', () => {
  it.each<[ClientAuthentication]>([
    [{ method: 'client_secret_basic', clientSecret }],
    [{ method: 'client_secret_post', clientSecret }],
  ])('by %o, for scope and resource', async (how) => {
    const { tokenEndpoint } = upstream;
    const asked = { scope: 'ssf.read ssf.manage', resource: 'https://tr.example/api' };
    expect(await done(list({ ...how, ...asked, tokenEndpoint }))).toEqual([]);
    expect(upstream.tokens.given.at(-1)).toEqual({ method: how.method, ...asked });
    expect(upstream.requests.at(-1)?.headers.authorization).toMatch(/^Bearer at-/);
  });

  it.each(['ES256', 'PS256', 'EdDSA'])('RFC 7523 §2.2: by private_key_jwt with %s', async (alg) => {
    const at = await anUpstream(alg);
    const how = { method: 'private_key_jwt', privateJwk: keys[alg]!.privateJwk } as const;
    for (const where of [
      { tokenEndpoint: at.tokenEndpoint },
      { authorizationServer: at.authorizationServer },
    ]) {
      await done(list({ ...how, ...where }, at));
      expect(at.tokens.given.at(-1)).toEqual({ method: 'private_key_jwt' });
    }
    const assertion = new URLSearchParams(at.requests.find(({ place }) => place === 'token')?.body);
    const [header = ''] = (assertion.get('client_assertion') ?? '').split('.');
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg, kid: `key-of-${alg}` });
    await at.close();
  });
});

describe('where tokens are got', () => {
  it('RFC 8414 §3: the metadata of the authorization server says it', async () => {
    const from = upstream.requests.length;
    await done(list({ authorizationServer: upstream.authorizationServer }));
    expect(placesOf(from)).toEqual(['server-metadata', 'token', 'streams']);
  });

  it('RFC 9728 §3: the metadata of the configuration endpoint says who that is', async () => {
    const from = upstream.requests.length;
    const client = open();
    const { endpoints } = await done(client.discover());
    await done(client.listStreams(endpoints));
    await done(client.listStreams(endpoints));
    const found = ['metadata', 'resource-metadata', 'server-metadata', 'token', 'streams', 'streams'];
    expect(placesOf(from)).toEqual(found);
  });

  it('also when the first call is a poll', async () => {
    const { id } = upstream.addStream();
    expect(await done(open().poll(aPoll(`${upstream.issuer}/poll/${id}`)))).toMatchObject({
      moreAvailable: false,
    });
  });

  it('OpenID Connect Discovery §4: where RFC 8414 finds nothing, it is looked for there', async () => {
    const { authorizationServer } = upstream;
    upstream.misbehave('server-metadata', { kind: 'answers', status: 404 });
    const from = upstream.requests.length;
    await done(list({ authorizationServer }));
    expect(placesOf(from)).toEqual(['server-metadata', 'openid-metadata', 'token', 'streams']);
    upstream.misbehave('openid-metadata', { kind: 'answers', status: 500 });
    expect(await failure(list({ authorizationServer }))).toMatchObject({ status: 500 });
    upstream.misbehave('openid-metadata', lies({ issuer: `${authorizationServer}/` }));
    expect((await failure(list({ authorizationServer }))).text).toContain('cannot be used');
  });

  it('RFC 8414 §3.3, RFC 9728 §3.3: issuers and resources are compared as text, not as URLs', async () => {
    const resource = `${upstream.issuer.replace('http:', 'HTTP:')}/streams`;
    upstream.misbehave('resource-metadata', lies({ resource }));
    expect((await failure(list())).text).toContain('The metadata of the protected resource is of another.');
    upstream.behave();
    const authorizationServer = upstream.authorizationServer.replace('http:', 'HTTP:');
    expect((await failure(list({ authorizationServer }))).text).toContain('of another issuer');
  });

  it('a server that gave a token is not looked for again', async () => {
    const client = open();
    const { endpoints } = await done(client.discover());
    await done(client.listStreams(endpoints));
    upstream.tokens.revoke();
    const from = upstream.requests.length;
    await done(client.listStreams(endpoints));
    expect(placesOf(from)).toEqual(['streams', 'token', 'streams']);
  });

  it('a server that failed is looked for again', async () => {
    const client = open();
    const { endpoints } = await done(client.discover());
    upstream.misbehave('token', { kind: 'answers', status: 503, headers: { 'retry-after': '9' } }, 1);
    expect(await failure(client.listStreams(endpoints))).toMatchObject({ status: 503, retryAfterSeconds: 9 });
    const from = upstream.requests.length;
    await done(client.listStreams(endpoints));
    expect(placesOf(from)).toEqual(['resource-metadata', 'server-metadata', 'token', 'streams']);
  });
});

const answers = (body: JsonObject | string, status = 200): Misbehaviour => ({
  kind: 'answers',
  status,
  body,
});
const lies = (change: JsonObject): Misbehaviour => ({
  kind: 'lies',
  change: (body) => ({ ...body, ...change }),
});

describe('what goes wrong is told, and nothing that was secret', () => {
  it.each<[string, Place, Misbehaviour, string]>([
    [
      'RFC 8414 §3.3: another issuer',
      'server-metadata',
      lies({ issuer: 'https://a.example' }),
      'cannot be used',
    ],
    ['an issuer that is no URL', 'server-metadata', lies({ issuer: 'a' }), 'cannot be used'],
    ['no token_endpoint', 'server-metadata', lies({ token_endpoint: null }), 'cannot be used'],
    [
      'a token_endpoint without TLS',
      'server-metadata',
      lies({ token_endpoint: 'http://a.example/' }),
      'https',
    ],
    [
      'RFC 9728 §3.3: another resource',
      'resource-metadata',
      lies({ resource: 'https://a.example' }),
      'Set the',
    ],
    ['no servers', 'resource-metadata', lies({ authorization_servers: [] }), 'names no authorization server'],
    ['servers that are none', 'resource-metadata', lies({ authorization_servers: [{}] }), 'names no'],
    [
      'a server without TLS',
      'resource-metadata',
      lies({ authorization_servers: ['http://a.example'] }),
      'https',
    ],
    ['no JSON', 'token', answers('<html>'), 'cannot be used'],
    ['no token', 'token', lies({ access_token: 7 }), 'cannot be used'],
    ['RFC 9449 §5: a bound token', 'token', lies({ token_type: 'DPoP' }), 'bound to a key'],
    ['another type', 'token', lies({ token_type: 'mac' }), 'cannot be used'],
    ['a life that is no number', 'token', lies({ expires_in: 'long' }), 'cannot be used'],
    ['a token that no header can carry', 'token', lies({ access_token: 'a\r\nx: y' }), 'header'],
    ['a redirect', 'token', { kind: 'redirects', to: 'https://a.example' }, '302'],
    ['trouble', 'token', answers('oh no', 500), '500'],
    ['no body', 'token', { kind: 'answers', status: 204 }, '204'],
    ['an odd status', 'token', { kind: 'answers', status: 999 }, '999'],
    ['endlessness', 'token', { kind: 'huge', bytes: 1_048_576 }, 'bytes'],
    ['silence', 'token', { kind: 'hangs-up' }, 'no answer'],
  ])('%s of %s', async (_what, place, how, words) => {
    upstream.misbehave(place, how);
    const told = await failure(list());
    expect(told.text).toContain(words);
  });

  it('RFC 6749 §5.2: of an error no more than its code', async () => {
    const { tokenEndpoint } = upstream;
    const wrong = await failure(
      list({ tokenEndpoint, method: 'client_secret_post', clientSecret: 'wrong-secret' }),
    );
    expect(wrong).toMatchObject({
      step: 'authorize',
      status: 401,
      text: expect.stringContaining('invalid_client'),
    });
    expect(wrong.text).not.toMatch(/secret(?! or)|quotes/);
    for (const error of ['Wrong-Secret 7', { of: 'theirs' }, 'a'.repeat(1_000), '']) {
      upstream.misbehave('token', answers({ error, error_description: 'wrong-secret' }, 400));
      const { text } = await failure(list({ tokenEndpoint }));
      expect(text).toBe('The token endpoint answered 400 and no error code that can be read.');
    }
  });

  it('a 401 with a challenge is told by its code too', async () => {
    const headers = { 'www-authenticate': 'Basic realm="secret"', 'content-type': 'application/json' };
    upstream.misbehave('token', { kind: 'answers', status: 401, headers, body: { error: 'invalid_client' } });
    expect((await failure(list())).text).toContain('refused: invalid_client');
  });
});

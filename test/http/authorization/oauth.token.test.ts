import { SignJWT } from 'jose';
import { randomUUID } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';
import {
  aDpopKey,
  anAssertionKey,
  callBound,
  discover,
  getToken,
  makeClient,
  type MadeClient,
  refusedToken,
} from './an-oauth-client.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const scopes = ['ssf.read', 'signals.read'];
const asserting =
  (assertion: string): oauth.ClientAuth =>
  (_server, _client, body) => {
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    body.set('client_assertion', assertion);
  };

let names = 0;
const make = (body: object = {}): Promise<MadeClient> =>
  makeClient(hub, { client_id: `client-${++names}`, scopes, ...body });

const asSignals = (token: string) =>
  hub.call('GET', '/v1/signals/sig_none', { token }).then(({ status }) => status);

describe('RFC 8414, RFC 9728: the documents', () => {
  it('lead a stranger from the API to the token endpoint', async () => {
    const { resource, server } = await discover(hub);
    expect(resource).toMatchObject({
      resource: hub.issuer,
      scopes_supported: ['ssf.read', 'ssf.manage'],
      bearer_methods_supported: ['header'],
    });
    expect(server).toMatchObject({
      issuer: `${hub.issuer}/oauth`,
      token_endpoint: `${hub.issuer}/oauth/token`,
      grant_types_supported: ['client_credentials'],
      protected_resources: [hub.issuer],
    });
    expect(server).not.toHaveProperty('authorization_endpoint');
    const keys = await (await fetch(String(server.jwks_uri))).json();
    expect(keys).toEqual({ keys: [expect.objectContaining({ alg: 'ES256', use: 'sig' })] });
    expect(JSON.stringify(keys)).not.toContain('"d"');
  });

  it('are also behind the path, and the challenge of the API names the first', async () => {
    const behind = await hub.call('GET', '/oauth/.well-known/oauth-authorization-server', { token: null });
    expect(behind.body).toMatchObject({ issuer: `${hub.issuer}/oauth` });
    const refused = await hub.call('GET', '/v1/tokens', { token: null });
    const url = `${hub.issuer}/.well-known/oauth-protected-resource`;
    expect(refused.headers.get('www-authenticate')).toMatch(
      new RegExp(`^Bearer realm="caep-hub", resource_metadata="${url}", DPoP realm=.*algs="ES256 `),
    );
    expect(refused.headers.get('www-authenticate')).not.toContain('error');
  });

  it('no other endpoint of an authorization server is there', async () => {
    for (const path of ['/oauth/auth', '/oauth/reg', '/oauth/me', '/oauth/token/revocation', '/oauth/par']) {
      expect((await hub.call('GET', path, { token: null })).status).toBe(404);
    }
    expect((await hub.call('GET', '/oauth/token', { token: null })).status).toBe(405);
  });
});

describe('POST /oauth/token 200: each way to prove who one is', () => {
  it.each([
    ['client_secret_basic', (secret: string) => oauth.ClientSecretBasic(secret)],
    ['client_secret_post', (secret: string) => oauth.ClientSecretPost(secret)],
  ])('%s', async (auth_method, auth) => {
    const made = await make({ auth_method });
    const token = await getToken(hub, made, {
      auth: auth(String(made.client_secret)),
      scope: 'signals.read',
    });
    expect(token).toMatchObject({ token_type: 'bearer', expires_in: 600, scope: 'signals.read' });
    expect(await asSignals(token.access_token)).toBe(404);
    const claims = JSON.parse(
      Buffer.from(String(token.access_token.split('.')[1]), 'base64url').toString(),
    ) as object;
    const { client_id } = made;
    expect(claims).toMatchObject({ iss: `${hub.issuer}/oauth`, aud: hub.issuer, client_id, sub: client_id });
  });

  it('private_key_jwt; and an assertion is good once', async () => {
    const { jwk, privateKey } = anAssertionKey('k1');
    const made = await make({ auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
    expect(made.client_secret).toBeUndefined();
    const now = Math.floor(Date.now() / 1_000);
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer(made.client_id)
      .setSubject(made.client_id)
      .setAudience(`${hub.issuer}/oauth`)
      .setIssuedAt(now)
      .setExpirationTime(now + 60)
      .sign(privateKey);
    const auth = asserting(assertion);
    expect(await asSignals((await getToken(hub, made, { auth })).access_token)).toBe(404);
    expect(await refusedToken(hub, made, { auth })).toBe('401 invalid_client');
  });

  it('401: an assertion that would have to be remembered for longer than an hour', async () => {
    const { jwk, privateKey } = anAssertionKey('k1');
    const made = await make({ auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
    const exp = Math.floor(Date.now() / 1_000) + 7_200;
    const claims = { iss: made.client_id, sub: made.client_id, aud: `${hub.issuer}/oauth`, jti: 'long', exp };
    const assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    expect(await refusedToken(hub, made, { auth: asserting(assertion) })).toBe('401 invalid_client');
  });

  it('of two with the same assertion at once, one gets a token', async () => {
    const { jwk, privateKey } = anAssertionKey('k1');
    const made = await make({ auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
    const jti = randomUUID();
    const exp = Math.floor(Date.now() / 1_000) + 60;
    const claims = { iss: made.client_id, sub: made.client_id, aud: `${hub.issuer}/oauth/token`, jti, exp };
    const assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    const auth = asserting(assertion);
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => refusedToken(hub, made, { auth })));
    expect(outcomes.filter((outcome) => outcome === 'a token')).toHaveLength(1);
  });

  it('who asks for no scope gets all that it may have', async () => {
    expect((await getToken(hub, await make())).scope?.split(' ').sort()).toEqual([...scopes].sort());
  });
});

describe('POST /oauth/token: refusals of RFC 6749 §5.2', () => {
  it('401 invalid_client: a wrong secret, an unknown client, and one that was revoked', async () => {
    const made = await make();
    const wrong = { auth: oauth.ClientSecretBasic('chub_wrong') };
    expect(await refusedToken(hub, made, wrong)).toBe('401 invalid_client');
    expect(await refusedToken(hub, { ...made, client_id: 'nobody' })).toBe('401 invalid_client');
    expect((await hub.call('DELETE', `/v1/clients/${made.client_id}`)).status).toBe(204);
    expect(await refusedToken(hub, made)).toBe('401 invalid_client');
  });

  it.each(['a\u0000b', '\ud800', "a'b", 'x'.repeat(20_000)])(
    '401 invalid_client: a client_id that no client can have, whatever its characters: %j',
    async (client_id) => {
      const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret: 'x' });
      const answer = await fetch(`${hub.url}/oauth/token`, { method: 'POST', body });
      expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'invalid_client' }]);
    },
  );

  it('400 invalid_scope, unsupported_grant_type, invalid_target', async () => {
    const made = await make();
    expect(await refusedToken(hub, made, { scope: 'admin' })).toBe('400 invalid_scope');
    const post = async (body: Record<string, string>) => {
      const authorization = `Basic ${btoa(`${made.client_id}:${String(made.client_secret)}`)}`;
      const url = new URL('/oauth/token', hub.url);
      const answer = await fetch(url, {
        method: 'POST',
        headers: { authorization, accept: 'text/html' },
        body: new URLSearchParams(body),
      });
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      return `${answer.status} ${((await answer.json()) as { error: string }).error}`;
    };
    expect(await post({ grant_type: 'authorization_code', code: 'x' })).toBe('400 unsupported_grant_type');
    expect(await post({ grant_type: 'client_credentials', resource: 'https://other.example' })).toBe(
      '400 invalid_target',
    );
    expect(await post({ grant_type: 'client_credentials', scope: 'x'.repeat(60_000) })).toBe(
      '400 invalid_request',
    );
  });

  it('400: a client whose tokens must be bound gets none without a proof', async () => {
    const made = await make({ dpop_bound: true });
    expect(await refusedToken(hub, made)).toMatch(/^400 /);
    const { handle } = await aDpopKey();
    expect((await getToken(hub, made, { dpop: handle })).token_type).toBe('dpop');
  });

  it('whoever is denied gets no token: the client, or the key that it came with', async () => {
    const iss = `${hub.issuer}/oauth`;
    const [killed, other] = [await make(), await make()];
    const { handle, jkt } = await aDpopKey();
    await disable({ iss, client_id: killed.client_id });
    expect(await refusedToken(hub, killed)).toBe('401 invalid_client');
    await disable({ jkt });
    expect(await refusedToken(hub, other, { dpop: handle })).toBe('400 access_denied');
    expect(await refusedToken(hub, other)).toBe('a token');
  });
});

async function disable(subject: object): Promise<void> {
  const body = { event: 'account-disabled', subject };
  const said = await hub.call('POST', '/v1/signals', { body });
  expect(said.body).toMatchObject({ decision: { outcome: 'applied' } });
}

describe('RFC 9449: tokens bound to a key', () => {
  it('pass with a proof by that key; not as Bearer, not without, not by another key, not twice', async () => {
    const made = await make();
    const { handle } = await aDpopKey();
    const { access_token: token } = await getToken(hub, made, { dpop: handle });
    expect(await callBound(hub, '/v1/signals/sig_none', token, handle)).toBe(404);
    const asBearer = await hub.call('GET', '/v1/signals/x', { token });
    expect(asBearer.status).toBe(401);
    expect(asBearer.headers.get('www-authenticate')).toMatch(/Bearer error="invalid_token"/);
    const headers = { authorization: `DPoP ${token}` };
    const without = await hub.call('GET', '/v1/signals/x', { token: null, headers });
    expect([without.status, without.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('DPoP error="invalid_dpop_proof"'),
    ]);
    const another = await callBound(hub, '/v1/signals/x', token, (await aDpopKey()).handle);
    expect(another).toMatchObject({ status: 401, cause: [{ parameters: { error: 'invalid_token' } }, {}] });
  });
});

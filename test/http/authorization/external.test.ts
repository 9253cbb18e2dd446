import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aSigningKey, type SigningKey } from '../../enforcement/token/an-issuer.ts';
import * as external from './an-external-client.ts';
import { aDpopKey, callBound, discover } from './an-oauth-client.ts';

let setting: Awaited<ReturnType<typeof external.aHubThatTrusts>>;
beforeAll(async () => {
  setting = await external.aHubThatTrusts();
});
afterAll(() => setting?.stop());

const letIn = (body: object = {}) => external.letIn(setting.hub, setting.login, body);
const aToken = (
  made: { readonly named: string },
  claims: object = {},
  from = setting.login,
  key?: SigningKey,
) => external.tokenOf(setting.hub, from, made, claims, key);
const audit = (token: string) => external.audit(setting.hub, token);
const outcome = (token: string) => external.outcomeOf(setting.hub, token);
const openFeed = (token: string) => external.openFeed(setting.hub, token);

describe('a client whose tokens come from a trusted issuer', () => {
  it('calls as itself, with what both its token and its registration allow', async () => {
    const made = await letIn({ scopes: ['signals.write', 'issuers.write'] });
    const token = await aToken(made, { scope: 'signals.write audit.read unknown' });
    const said = await setting.hub.call('POST', '/v1/signals', {
      token,
      body: { event: 'session-revoked', subject: { iss: 'https://idp.example', sub: 'someone' } },
    });
    expect(said.status).toBe(202);
    expect((await setting.hub.call('GET', '/v1/audit')).text).toContain(`"client:${made.id}"`);
    expect(await outcome(token)).toEqual([403, 'insufficient-scope']);
    const issuers = await setting.hub.call('PUT', '/v1/issuers', {
      token,
      body: { url: 'https://x.example' },
    });
    expect(issuers.status).toBe(403);
  });

  it('has streams of its own, as every client, which end with it', async () => {
    const made = await letIn({ scopes: ['ssf.manage'] });
    const token = await aToken(made, { scope: 'ssf.manage' });
    const stream = await setting.hub.call('POST', '/ssf/streams', { token, body: {} });
    expect(stream.status).toBe(201);
    const id = String(stream.body['stream_id']);
    expect(stream.body['aud']).toBe(`client:${made.id}/${id}`);
    await setting.hub.call('DELETE', `/v1/clients/${made.id}`);
    expect((await setting.hub.call('GET', `/v1/streams/${id}`)).body).toMatchObject({ status: 'disabled' });
  });

  it('is told of both authorization servers, its own second', async () => {
    const { resource } = await discover(setting.hub);
    expect(resource.authorization_servers).toEqual([`${setting.hub.issuer}/oauth`, setting.login.url]);
  });

  it('shows where its tokens come from and what they are for, and no secret', async () => {
    const made = await setting.hub.call('POST', '/v1/clients', {
      body: {
        client_id: 'shown',
        scopes: ['ssf.read'],
        external: { iss: setting.login.url, sub: 's', client_id: 'c' },
      },
    });
    expect(made.body).toMatchObject({
      issuer: setting.login.url,
      audience: setting.hub.issuer,
      person: false,
    });
    expect(made.body).not.toHaveProperty('client_secret');
    expect(made.body).not.toHaveProperty('token_endpoint');
    expect((await setting.hub.call('GET', '/v1/clients/shown')).body).toMatchObject({
      external: { iss: setting.login.url, sub: 's', client_id: 'c' },
    });
  });

  it('gets no token at the token endpoint, however it asks', async () => {
    const { id } = await letIn();
    const { server } = await discover(setting.hub);
    for (const secret of ['', 'null', 'undefined']) {
      const answer = await fetch(String(server.token_endpoint), {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret }),
      });
      expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'invalid_client' }]);
    }
  });
});

describe('who is not let in', () => {
  it('401: an issuer that is not trusted, though points accept its tokens', async () => {
    await setting.hub.call('PUT', '/v1/issuers', { body: { url: setting.stranger.url } });
    const made = await letIn();
    const answer = await audit(await aToken(made, {}, setting.stranger));
    expect([answer.status, answer.body['code']]).toEqual([401, 'unauthenticated']);
    expect(setting.stranger.fetches()).toBe(0);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('403: a client of it that nobody let in, in the same words as one that was revoked', async () => {
    const revoked = await letIn();
    await setting.hub.call('DELETE', `/v1/clients/${revoked.id}`);
    const answers = await Promise.all(
      [{ id: '', named: 'nobody' }, revoked].map(async (made) => audit(await aToken(made))),
    );
    const [one, other] = answers.map(({ status, body, headers }) => [
      status,
      body,
      headers.get('www-authenticate'),
    ]);
    expect(one).toEqual(other);
    expect(answers[0]).toMatchObject({ status: 403, body: { reason: 'insufficient-scope' } });
    expect(one?.[2]).toContain('error="insufficient_scope"');
    expect(JSON.stringify(answers)).not.toContain(revoked.id);
  });

  it.each([{ sub: 'a\u0000b' }, { client_id: 'a\u0000b' }, { client_id: '\ud800' }])(
    '403: who is called as nobody can be let in: %j',
    async (claims) => {
      const answer = await audit(await aToken({ named: 'nobody' }, claims));
      expect([answer.status, answer.body['reason']]).toEqual([403, 'insufficient-scope']);
    },
  );

  it.each([
    ['another audience', { aud: 'https://api.example' }, 'invalid-token'],
    ['no audience', { aud: undefined }, 'invalid-token'],
    ['an expired one', { iat: 1, exp: 2 }, 'expired-token'],
    ['one that lives too long', { exp: Math.floor(Date.now() / 1_000) + 7_200 }, 'invalid-token'],
    ['an ID token', { nonce: 'n', scope: undefined }, 'not-an-access-token'],
    ['one bound to a certificate', { cnf: { 'x5t#S256': 'a'.repeat(43) } }, 'unsupported-binding'],
  ])('401: %s', async (_name, claims, reason) => {
    expect(await outcome(await aToken(await letIn(), claims))).toEqual([401, reason]);
  });

  it('RFC 9068 §2.2.3, RFC 6750 §3.1: 403: a token without scope grants nothing, and is told what its client may have', async () => {
    const made = await letIn({ scopes: ['audit.read', 'ssf.read'] });
    for (const claims of [{ scope: undefined }, { scope: '' }, { scope: undefined, scp: [] }]) {
      const answer = await audit(await aToken(made, claims));
      expect([answer.status, answer.body['code']]).toEqual([403, 'insufficient-scope']);
      expect(answer.body['detail']).toMatch(/has no scope \(scope, scp\)/);
      expect(answer.headers.get('www-authenticate')).toMatch(
        /Bearer error="insufficient_scope", error_description="The access token has no scope [^"]+", scope="audit.read ssf.read"/,
      );
    }
    expect((await audit(await aToken(made, { scope: undefined, scp: ['audit.read'] }))).status).toBe(200);
  });

  it('RFC 8705: 401: one bound to a certificate is told what would do', async () => {
    const answer = await audit(await aToken(await letIn(), { cnf: { 'x5t#S256': 'a'.repeat(43) } }));
    expect(answer.headers.get('www-authenticate')).toMatch(
      /Bearer error="invalid_token", error_description="[^"]*certificate \(RFC 8705\)[^"]*bound to a key by DPoP is/,
    );
  });

  it('401: signed by another key than the issuer lists, or said to be ours', async () => {
    const made = await letIn();
    const key = await aSigningKey(setting.login.key.kid);
    expect(await outcome(await aToken(made, {}, setting.login, key))).toEqual([401, 'invalid-token']);
    const own = await aToken(made, { iss: `${setting.hub.issuer}/oauth`, client_id: made.id });
    expect((await audit(own)).status).toBe(401);
  });

  it('401: a client that must prove a key, without; and a bound token only with its proof', async () => {
    const must = await letIn({ dpop_bound: true });
    expect(await outcome(await aToken(must))).toEqual([401, 'unbound-token']);
    const { handle, jkt } = await aDpopKey();
    const bound = await aToken(must, { cnf: { jkt } });
    expect(await outcome(bound)).toEqual([401, 'bound-token-as-bearer']);
    expect(await callBound(setting.hub, '/v1/audit', bound, handle)).toBe(200);
    const thief = await callBound(setting.hub, '/v1/audit', bound, (await aDpopKey()).handle);
    expect(thief).toBeInstanceOf(oauth.WWWAuthenticateChallengeError);
  });

  it('400: what no client can be', async () => {
    const body = { client_id: 'odd', scopes: ['ssf.read'] };
    const iss = setting.login.url;
    const odd: readonly (readonly [object, string])[] = [
      [{ external: { iss } }, '/external'],
      [{ external: { iss: 'https://other.example', sub: 'x' } }, '/external/iss'],
      [{ external: { iss, sub: 'x' }, auth_method: 'client_secret_post' }, '/auth_method'],
      [{ external: { iss, sub: 'x' }, person: true }, '/external'],
      [{ person: true }, '/person'],
      [{ external: { iss, sub: 'x' }, scopes: ['admin'] }, '/scopes'],
      [{ external: { iss, sub: 'x' }, scopes: ['held.release'] }, '/scopes'],
      [{ external: { iss, sub: '' } }, '/external/sub'],
    ];
    for (const [more, path] of odd) {
      const answer = await setting.hub.call('POST', '/v1/clients', { body: { ...body, ...more } });
      expect([more, answer.status, answer.body['errors']]).toEqual([
        more,
        400,
        expect.arrayContaining([expect.objectContaining({ path })]),
      ]);
    }
  });
});

describe('revocations and the end of trust', () => {
  it('a kill that names the client at its issuer, its key or its token ends what it opened', async () => {
    for (const claim of ['client_id', 'sub', 'jti'] as const) {
      const made = await letIn();
      const claims = { client_id: made.named, sub: `sub-of-${made.named}`, jti: `jti-of-${made.named}` };
      const token = await aToken(made, claims);
      const feed = await openFeed(token);
      expect(feed.status).toBe(200);
      const subject = { iss: setting.login.url, [claim]: claims[claim] };
      await setting.hub.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject } });
      expect(await feed.ended).toContain('token-ended');
      expect(await outcome(token)).toEqual([401, 'revoked']);
    }
  });

  it('a client that is revoked: its tokens are refused at once, and its feed is cut', async () => {
    const made = await letIn();
    const token = await aToken(made);
    const feed = await openFeed(token);
    expect(feed.status).toBe(200);
    await setting.hub.call('DELETE', `/v1/clients/${made.id}`);
    expect(await feed.ended).toContain('token-ended');
    expect((await audit(token)).status).toBe(403);
  });

  it('an issuer that is trusted no more, and trusted again', async () => {
    const token = await aToken(await letIn());
    const feed = await openFeed(token);
    expect(feed.status).toBe(200);
    const query = `?url=${encodeURIComponent(setting.login.url)}`;
    expect((await setting.hub.call('DELETE', `/v1/caller-issuers${query}`)).status).toBe(204);
    expect(await feed.ended).toContain('token-ended');
    expect((await audit(token)).status).toBe(401);
    expect((await setting.hub.call('DELETE', `/v1/caller-issuers${query}`)).status).toBe(404);
    await setting.trust();
    expect((await audit(token)).status).toBe(200);
  });

  it('only an administrator trusts an issuer, and never the hub itself', async () => {
    const { body } = await setting.hub.call('POST', '/v1/tokens', {
      body: { actor: 'x', scopes: ['issuers.write'] },
    });
    const token = String(body['token']);
    const url = 'https://evil.example';
    expect((await setting.hub.call('PUT', '/v1/caller-issuers', { token, body: { url } })).status).toBe(403);
    expect((await setting.hub.call('GET', '/v1/caller-issuers', { token })).status).toBe(403);
    const own = await setting.hub.call('PUT', '/v1/caller-issuers', {
      body: { url: `${setting.hub.issuer}/oauth` },
    });
    expect(own.status).toBe(400);
    const http = await setting.hub.call('PUT', '/v1/caller-issuers', { body: { url: 'http://idp.example' } });
    expect(http.status).toBe(400);
  });
});

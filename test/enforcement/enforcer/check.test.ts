import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profileDefaults } from '../../../src/core/issuer.ts';
import type { Access } from '../../../src/enforcement/index.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { badTokens } from '../token/bad-tokens.ts';
import { anAgent, anIssuer, type APoint, aPoint, outcomeOf } from './a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

const refusalOf = async (point: APoint, ...[request, route]: Parameters<APoint['enforcer']['check']>) => {
  const outcome = await point.enforcer.check(request, route);
  if (outcome.kind === 'access') throw new Error('it was let pass');
  return outcome;
};

async function accessOf(
  point: APoint,
  ...[request, route]: Parameters<APoint['enforcer']['check']>
): Promise<Access> {
  const outcome = await point.enforcer.check(request, route);
  if (outcome.kind === 'refusal') throw new Error(`refused: ${outcome.code}`);
  return outcome;
}

describe('the right token with the right key passes', () => {
  it('and says who calls', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer, { act: { sub: 'parent' } });
    const access = await accessOf(point, await agent.request());
    expect(access).toMatchObject({
      context: { sub: 'agent-7', jkt: agent.client.jkt },
      scopes: ['charges:read', 'charges:write'],
    });
    expect(access.claims).toMatchObject({ jti: 'token-1' });
  });

  it('and is told to the hub: once for each token, with a count', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer, { act: { sub: 'parent' } });
    for (let count = 0; count < 3; count += 1) await accessOf(point, await agent.request());
    await point.enforcer.close();
    expect(point.sightings).toMatchObject([
      { client_id: 'build-runner', jkt: agent.client.jkt, act: [{ sub: 'parent' }], count: 3 },
    ]);
  });

  it('as a web-standard Request, as Node headers, and as headersDistinct', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const fields = async () => (await agent.request()).headers as Record<string, string>;
    expect(
      await outcomeOf(point, new Request('http://internal:8080/charges', { headers: await fields() })),
    ).toBe('access');
    const { authorization, dpop } = await fields();
    expect(
      await outcomeOf(point, {
        method: 'GET',
        url: '/charges',
        headers: { authorization: [authorization ?? ''], dpop: [dpop ?? ''] },
      }),
    ).toBe('access');
  });

  it('whatever Host and scheme the request names: the configured origin counts', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const request = await agent.request();
    expect(await outcomeOf(point, { ...request, url: 'http://evil.example/charges' })).toBe('access');
    const headers = {
      authorization: `DPoP ${agent.token}`,
      dpop: await agent.client.proof({ url: 'https://evil.example/charges', token: agent.token }),
    };
    expect(await outcomeOf(point, { method: 'GET', url: 'https://evil.example/charges', headers })).toBe(
      'invalid-proof',
    );
  });
});

describe('a bad token is refused at the enforcer as at the verifier', () => {
  it.each(badTokens)('$what', async ({ make, code }) => {
    const request = { method: 'GET', url: '/', headers: { authorization: `DPoP ${await make(issuer)}` } };
    const refusal = await refusalOf(aPoint(issuer), request);
    expect(refusal).toMatchObject({
      code,
      status: 401,
      body: { code, decision_id: expect.stringMatching(/^dec_/) },
    });
    expect(refusal.headers['www-authenticate']).toMatch(
      /^DPoP error="invalid_token", error_description="[^"]+", algs="ES256 /,
    );
  });
});

describe('credentials', () => {
  const refused = async (headers: Record<string, string | string[]>, url = '/') =>
    refusalOf(aPoint(issuer), { method: 'GET', url, headers });

  it('RFC 6750 §3.1: none get a challenge without error', async () => {
    const refusal = await refused({});
    expect(refusal.status).toBe(401);
    expect(refusal.headers['www-authenticate']).toMatch(/^DPoP algs="[^"]+"$/);
  });

  it.each([
    ['two header fields', { authorization: ['DPoP a.b.c', 'Bearer a.b.c'] }, '/'],
    ['two in one header field', { authorization: 'DPoP a.b.c, Bearer a.b.c' }, '/'],
    ['one in the query too', { authorization: 'DPoP a.b.c' }, '/?x&access_token=a.b.c'],
  ])('RFC 6750 §2: %s are 400', async (_, headers, url) => {
    expect(await refused(headers, url)).toMatchObject({ status: 400, code: 'ambiguous-credentials' });
  });

  it.each([
    ['Basic', { authorization: 'Basic dXNlcg==' }, '/', 'no-credentials'],
    ['a scheme without token', { authorization: 'Bearer' }, '/', 'malformed-token'],
    ['a token of other characters', { authorization: 'Bearer a"b' }, '/', 'malformed-token'],
    ['two words', { authorization: 'Bearer a b' }, '/', 'no-credentials'],
    ['a token in the query only', {}, '/?access_token=a.b.c', 'no-credentials'],
  ])('%s', async (_, headers, url, code) => {
    expect(await refused(headers as Record<string, string>, url)).toMatchObject({ status: 401, code });
  });
});

describe('binding', () => {
  it('RFC 9449 §7.2: a bound token as Bearer is refused, whatever the class', async () => {
    const { token } = await anAgent(issuer);
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } };
    const point = aPoint(issuer, { classes: { open: { binding: 'optional' } } });
    for (const route of [{}, { class: 'open' }]) {
      const refusal = await refusalOf(point, request, route);
      expect(refusal).toMatchObject({ status: 401, code: 'bound-token-as-bearer' });
      expect(refusal.headers['www-authenticate']).toMatch(
        /Bearer error="invalid_token".*DPoP algs=|DPoP algs=.*Bearer error="invalid_token"/,
      );
    }
  });

  it('an unbound token passes as Bearer where binding is optional, and nowhere with the DPoP scheme', async () => {
    const token = await issuer.token();
    const request = (scheme: string) => ({
      method: 'GET',
      url: '/',
      headers: { authorization: `${scheme} ${token}` },
    });
    const point = aPoint(issuer, { classes: { open: { binding: 'optional' } } });
    expect(await outcomeOf(point, request('Bearer'), { class: 'open' })).toBe('access');
    expect(await outcomeOf(point, request('DPoP'), { class: 'open' })).toBe('unbound-token');
    expect(await outcomeOf(point, request('Bearer'))).toBe('unbound-token');
  });

  it('binding none takes a bound token as Bearer: somebody in front has checked it', async () => {
    const { token, client } = await anAgent(issuer);
    const point = aPoint(issuer, { classes: { behind: { binding: 'none' } } });
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } };
    expect(await outcomeOf(point, request, { class: 'behind' })).toBe('access');
    const unproven = { ...request, headers: { authorization: `DPoP ${token}` } };
    expect(await outcomeOf(point, unproven, { class: 'behind' })).toBe('invalid-proof');
    point.put({ match: { jkt: client.jkt } });
    expect(await outcomeOf(point, request, { class: 'behind' })).toBe('revoked');
  });

  it.each([
    ['RFC 8705: a certificate', { 'x5t#S256': 'a'.repeat(43) }],
    ['a key and a certificate', { jkt: 'a'.repeat(43), 'x5t#S256': 'a'.repeat(43) }],
    ['RFC 7800: an unknown confirmation', { jkt: 'a'.repeat(43), other: 1 }],
    ['no confirmation at all', {}],
    ['a thumbprint that is none', { jkt: 'short' }],
    ['a list', []],
  ])('a token bound by %s is refused', async (_, cnf) => {
    const token = await issuer.token({ cnf });
    for (const scheme of ['DPoP', 'Bearer']) {
      const request = { method: 'GET', url: '/', headers: { authorization: `${scheme} ${token}` } };
      expect(await outcomeOf(aPoint(issuer), request)).toBe('unsupported-binding');
    }
  });

  it('a proof by another key is theft: reported once with both keys, and never echoed', async () => {
    const point = aPoint(issuer);
    const [agent, thief] = await Promise.all([anAgent(issuer), anAgent(issuer)]);
    const dpop = await thief.client.proof({ url: 'https://api.example/charges', token: agent.token });
    const refusal = await refusalOf(point, {
      method: 'GET',
      url: '/charges',
      headers: { authorization: `DPoP ${agent.token}`, dpop },
      address: '203.0.113.9',
    });
    expect(refusal).toMatchObject({ status: 401, code: 'wrong-key', body: { retry: 'never' } });
    expect(point.reports).toMatchObject([
      {
        theft: true,
        bound_jkt: agent.client.jkt,
        presented_jkt: thief.client.jkt,
        jti: 'token-1',
        address: '203.0.113.9',
        count: 1,
      },
    ]);
    const said = JSON.stringify([refusal.headers, refusal.body]);
    for (const secret of [agent.token, dpop, agent.client.jkt, thief.client.jkt, 'agent-7', 'token-1'])
      expect(said).not.toContain(secret);
  });

  it('no proof, or a broken one, is not theft', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    await outcomeOf(point, {
      method: 'GET',
      url: '/charges',
      headers: { authorization: `DPoP ${agent.token}` },
    });
    expect(point.reports).toMatchObject([{ code: 'invalid-proof' }]);
    expect(point.reports[0]).not.toHaveProperty('theft');
  });
});

describe('settings', () => {
  it('options that cannot work are all named at once', () => {
    const bad = {
      hub: 'http://hub.example',
      origin: 'https://api.example/path',
      audience: '',
      point: 'x',
      replicas: 0,
    };
    expect(() => aPoint(issuer, bad)).toThrow(/hub is.*point is.*audience is.*origin is.*replicas is/);
  });

  it('a route of an unknown class does not come up', () => {
    expect(() => aPoint(issuer).enforcer.fastify({ class: 'secret' })).toThrow('no route class "secret"');
  });

  it('issuers of the hub are accepted when they arrive, and ours win over them', async () => {
    const point = aPoint(issuer, { issuers: [] });
    const agent = await anAgent(issuer);
    expect(await refusalOf(point, await agent.request())).toMatchObject({
      status: 503,
      code: 'keys-unavailable',
    });
    point.client.onConfiguration?.({ issuers: [{ ...issuer.settings(), url: 'https://other.example' }] });
    expect(await outcomeOf(point, agent.request())).toBe('unknown-issuer');
    point.client.onConfiguration?.({ issuers: [issuer.settings()] });
    expect(await outcomeOf(point, agent.request())).toBe('access');
    const strict = aPoint(issuer, { issuers: [{ ...issuer.settings(), algorithms: ['RS256'] }] });
    strict.client.onConfiguration?.({ issuers: [issuer.settings()] });
    expect(await outcomeOf(strict, agent.request())).toBe('invalid-token');
  });

  it('a log that throws does not make a check reject', async () => {
    const point = aPoint(issuer, {
      issuers: [{ ...issuer.settings(), jwks_uri: 'http://127.0.0.1:1/jwks' }],
      onTrouble: () => {
        throw new Error('the disk of the log is full');
      },
    });
    const agent = await anAgent(issuer);
    expect(await outcomeOf(point, agent.request())).toBe('keys-unavailable');
  });

  it('an issuer named by its URL alone gets the RFC 9068 profile; a broken one of the hub is left out', async () => {
    const agent = await anAgent(issuer);
    expect(await outcomeOf(aPoint(issuer, { issuers: [{ url: issuer.url }] }), agent.request())).toBe(
      'access',
    );
    const point = aPoint(issuer, { issuers: [] });
    point.client.onConfiguration?.({
      issuers: [{ ...issuer.settings(), ...profileDefaults.okta, token_types: 'jwt' as never }],
    });
    expect(await outcomeOf(point, agent.request())).toBe('keys-unavailable');
  });
});

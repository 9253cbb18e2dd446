import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PutEntry } from '../../../src/core/feed.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { anAgent, anIssuer, type APoint, aPoint, outcomeOf } from './a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

type Entry = Partial<PutEntry> & Pick<PutEntry, 'match'>;
const startedAt = Math.floor(Date.now() / 1_000);
const now = () => Math.floor(Date.now() / 1_000);
const runner = () => ({ iss: issuer.url, client_id: 'build-runner' });

const refusalOf = async (point: APoint, ...[request, route]: Parameters<APoint['enforcer']['check']>) => {
  const outcome = await point.enforcer.check(request, route);
  if (outcome.kind === 'access') throw new Error('it was let pass');
  return outcome;
};

describe('a revocation that matches is a refusal', () => {
  it.each<[string, () => Entry, object]>([
    ['an agent disabled', () => ({ match: runner() }), { retry: 'never' }],
    [
      'tokens issued until now',
      () => ({ match: runner(), cut_off: now() + 5 }),
      { retry: 'new-token', issued_after: expect.any(Number) },
    ],
    ['one token', () => ({ match: { iss: issuer.url, jti: 'token-1' } }), { retry: 'new-token' }],
    ['one session', () => ({ match: { iss: issuer.url, sid: 's1' } }), { retry: 'new-token' }],
    [
      'an actor deep in the chain',
      () => ({ match: { iss: issuer.url, sub: 'grandparent' } }),
      { retry: 'never' },
    ],
  ])('%s', async (_, entry, body) => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer, { sid: 's1', act: { sub: 'parent', act: { sub: 'grandparent' } } });
    const id = point.put(entry());
    const refusal = await refusalOf(point, await agent.request());
    expect(refusal).toMatchObject({ status: 401, code: 'revoked', revocationId: id, body });
    expect(refusal.headers['www-authenticate']).toMatch(/^DPoP error="invalid_token", error_description="/);
    expect(point.denied).toEqual([id]);
    expect(point.reports).toMatchObject([
      { code: 'revoked', revocation_id: id, decision_id: refusal.decisionId },
    ]);
  });

  it('a token issued after the cut-off passes, and so does everybody after the lift', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    point.put({ match: runner(), cut_off: now() - 10 });
    expect(await outcomeOf(point, agent.request())).toBe('access');
    const id = point.put({ match: runner() });
    expect(await outcomeOf(point, agent.request())).toBe('revoked');
    point.lift(id);
    expect(await outcomeOf(point, agent.request())).toBe('access');
  });

  it('also by an orphan of an older epoch, until a person forgets it', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const id = point.put({ match: runner() });
    const orphan = point.client.cache.get(id);
    point.lift(id);
    if (orphan) point.client.cache.adoptOrphan(orphan);
    expect(await outcomeOf(point, agent.request())).toBe('revoked');
    point.enforcer.forgetOrphans(['rev_other']);
    expect(await outcomeOf(point, agent.request())).toBe('revoked');
    point.enforcer.forgetOrphans([id]);
    expect(await outcomeOf(point, agent.request())).toBe('access');
  });

  it('a denial without cut-off beside one with: a new token does not help', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    point.put({ match: runner(), cut_off: now() + 5 });
    point.put({ match: { jkt: agent.client.jkt } });
    const { body } = await refusalOf(point, await agent.request());
    expect(body).toMatchObject({ retry: 'never' });
    expect(body).not.toHaveProperty('issued_after');
  });

  it('an obligation in a shape that cannot be honoured denies', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    for (const restrict of [
      { scope: 7 },
      { tools: { deny: 'all' } },
      { rate: { per_minute: 0 } },
      { rate: 3 },
      { rate: { per_minute: '3' } },
      { read_only: 'yes' },
      undefined,
      {},
      { country: 'DE' },
      { read_only: true, country: 'DE' },
      { tools: {} },
      { tools: { deny: [], allow: ['list'] } },
      { rate: { per_minute: 3, per_hour: 9 } },
    ]) {
      const id = point.put({
        match: runner(),
        effect: 'restrict',
        ...(restrict && { restrict: restrict as never }),
      });
      expect(await outcomeOf(point, agent.request())).toBe('revoked');
      point.lift(id);
    }
    for (const stepUp of [{ after: 'today' }, { after: 1, acr_values: 'phr' }, { after: 1, place: 'here' }]) {
      const id = point.put({ match: runner(), effect: 'step_up', step_up: stepUp as never });
      expect(await outcomeOf(point, agent.request())).toBe('revoked');
      point.lift(id);
    }
    expect(await outcomeOf(point, agent.request())).toBe('access');
  });
});

describe('RFC 9470: step-up', () => {
  const stepUp = (after: number): Entry => ({
    match: runner(),
    effect: 'step_up',
    step_up: { after, acr_values: ['phr', 'phrh'] },
  });

  it('is asked for with acr_values and a max_age that reaches back to the event', async () => {
    const point = aPoint(issuer);
    const id = point.put(stepUp(now() - 120));
    const agent = await anAgent(issuer, { auth_time: now() - 600, acr: 'phr' });
    const refusal = await refusalOf(point, await agent.request());
    expect(refusal).toMatchObject({
      status: 401,
      code: 'step-up-required',
      revocationId: id,
      body: { retry: 'new-token', issued_after: expect.any(Number) },
    });
    expect(refusal.headers['www-authenticate']).toMatch(
      /^DPoP error="insufficient_user_authentication", error_description="[^"]+", acr_values="phr phrh", max_age="12\d", algs=/,
    );
  });

  it('never asks for max_age=0, which no login satisfies', async () => {
    const point = aPoint(issuer);
    point.put(stepUp(now() + 5));
    const refusal = await refusalOf(point, await (await anAgent(issuer)).request());
    expect(refusal.headers['www-authenticate']).toContain('max_age="1"');
  });

  it.each([
    ['a later login of an accepted kind', { auth_time: startedAt - 60, acr: 'phrh' }, 'access'],
    ['a login at the very second', { auth_time: startedAt - 120, acr: 'phr' }, 'access'],
    ['no auth_time, issued later', { acr: 'phr' }, 'access'],
    ['no auth_time, issued before', { iat: startedAt - 300, acr: 'phr' }, 'step-up-required'],
    ['an older login, however new the token', { auth_time: startedAt - 121, acr: 'phr' }, 'step-up-required'],
    ['a login of another kind', { auth_time: startedAt - 60, acr: 'pwd' }, 'step-up-required'],
    ['no acr', { auth_time: startedAt - 60 }, 'step-up-required'],
  ])('%s', async (_, claims, outcome) => {
    const point = aPoint(issuer);
    point.put(stepUp(startedAt - 120));
    expect(await outcomeOf(point, (await anAgent(issuer, claims)).request())).toBe(outcome);
  });
});

describe('restrictions', () => {
  it('read-only: safe methods pass, others are 403 until it is lifted', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const id = point.put({ match: runner(), effect: 'restrict', restrict: { read_only: true } });
    expect(await outcomeOf(point, agent.request())).toBe('access');
    expect(await refusalOf(point, await agent.request({ method: 'POST' }))).toMatchObject({
      status: 403,
      code: 'restricted',
      body: { retry: 'later' },
    });
    point.lift(id);
    expect(await outcomeOf(point, agent.request({ method: 'POST' }))).toBe('access');
  });

  it('scope: what is left is what routes and handlers see', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    expect(await refusalOf(point, await agent.request(), { scope: 'refunds:write' })).toMatchObject({
      status: 403,
      code: 'insufficient-scope',
      body: { retry: 'new-token' },
    });
    point.put({ match: runner(), effect: 'restrict', restrict: { scope: 'charges:read other' } });
    expect(await outcomeOf(point, agent.request(), { scope: 'charges:read' })).toBe('access');
    const refusal = await refusalOf(point, await agent.request(), { scope: 'charges:write' });
    expect(refusal).toMatchObject({ status: 403, code: 'restricted' });
    expect(refusal.headers['www-authenticate']).toContain('error="insufficient_scope", error_description=');
    expect(refusal.headers['www-authenticate']).toContain('scope="charges:read other"');
    expect(await point.enforcer.check(await agent.request())).toMatchObject({ scopes: ['charges:read'] });
  });

  it('tools: asked at the moment of the call, also within one open request', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await point.enforcer.check(await agent.request());
    if (access.kind === 'refusal') throw new Error(access.code);
    expect(access.mayUseTool('refund')).toBe(true);
    const id = point.put({ match: runner(), effect: 'restrict', restrict: { tools: { deny: ['refund'] } } });
    expect(access.mayUseTool('refund')).toBe(false);
    expect(access.mayUseTool('list')).toBe(true);
    expect(access.obligations.deniedTools).toEqual(['refund']);
    expect(access.signal.aborted).toBe(false);
    point.lift(id);
    expect(access.mayUseTool('refund')).toBe(true);
  });

  it('rate: a share for each replica, then 429 with the time to wait', async () => {
    const point = aPoint(issuer, { replicas: 2 });
    const agent = await anAgent(issuer);
    point.put({ match: runner(), effect: 'restrict', restrict: { rate: { per_minute: 4 } } });
    expect([await outcomeOf(point, agent.request()), await outcomeOf(point, agent.request())]).toEqual([
      'access',
      'access',
    ]);
    const refusal = await refusalOf(point, await agent.request());
    expect(refusal).toMatchObject({ status: 429, code: 'rate-limited', headers: { 'retry-after': '30' } });
    point.time.nowMs += 30_000;
    expect(await outcomeOf(point, agent.request())).toBe('access');
  });
});

describe('RFC 9449 §9: a nonce where one is demanded', () => {
  it('by an entry: the answer brings one, and the proof with it passes', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    expect(await outcomeOf(point, agent.request())).toBe('access');
    const id = point.put({ match: runner(), effect: 'require_nonce' });
    const { status, headers } = await refusalOf(point, await agent.request());
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toMatch(/^DPoP error="use_dpop_nonce"/);
    const nonce = headers['dpop-nonce'] ?? '';
    expect(await outcomeOf(point, agent.request({ nonce }))).toBe('access');
    point.lift(id);
    expect(await outcomeOf(point, agent.request())).toBe('nonce-required');
  });

  it('by an entry for a request without a proof: refused for good, for no nonce could ever be sent', async () => {
    const point = aPoint(issuer, {
      classes: { open: { binding: 'optional' }, behind: { binding: 'none' } },
    });
    const bearer = async (claims: object) => ({
      method: 'GET',
      url: '/',
      headers: { authorization: `Bearer ${await issuer.token(claims)}` },
    });
    const bound = await bearer({ cnf: { jkt: 'a'.repeat(43) } });
    point.put({ match: runner(), effect: 'require_nonce' });
    const unbound = await refusalOf(point, await bearer({}), { class: 'open' });
    expect(unbound).toMatchObject({ code: 'unbound-token', body: { retry: 'new-token' } });
    const behind = await refusalOf(point, bound, { class: 'behind' });
    expect(behind).toMatchObject({ status: 403, code: 'restricted', body: { retry: 'never' } });
    expect(unbound.headers).not.toHaveProperty('dpop-nonce');
  });

  it('by a route; a nonce that grows old is replaced with the response', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const route = { nonce: 'required' } as const;
    const { headers } = await refusalOf(point, await agent.request(), route);
    const nonce = headers['dpop-nonce'] ?? '';
    expect(await point.enforcer.check(await agent.request({ nonce }), route)).toMatchObject({
      kind: 'access',
      headers: {},
    });
    point.time.nowMs += 200_000;
    const late = await agent.request({ nonce, iat: now() + 200 });
    expect(await point.enforcer.check(late, route)).toMatchObject({
      headers: { 'dpop-nonce': expect.stringMatching(/^local\./), 'cache-control': 'no-store' },
    });
  });
});

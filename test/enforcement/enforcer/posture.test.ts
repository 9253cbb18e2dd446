import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgements } from '../../../src/enforcement/enforcer-judge.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { anAgent, anIssuer, type APoint, aPoint, outcomeOf } from './a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

const runner = () => ({ iss: issuer.url, client_id: 'build-runner' });

const refusalOf = async (point: APoint, ...[request, route]: Parameters<APoint['enforcer']['check']>) => {
  const outcome = await point.enforcer.check(request, route);
  if (outcome.kind === 'access') throw new Error('it was let pass');
  return outcome;
};

describe('posture: what happens while the hub is silent', () => {
  it.each([
    ['sensitive', 59_000, 'access'],
    ['sensitive', 60_000, 'knowledge-stale'],
    ['standard', 299_000, 'access'],
    ['standard', 300_000, 'knowledge-stale'],
    ['public', 9e9, 'access'],
    ['reads', 10_000, 'access'],
  ])('class %s after %d ms: %s', async (name, staleMs, outcome) => {
    const point = aPoint(issuer, { classes: { reads: { posture: { allow_reads_after: 5 } } } });
    point.time.staleMs = staleMs;
    expect(await outcomeOf(point, (await anAgent(issuer)).request(), { class: name })).toBe(outcome);
  });

  it('allow_reads_after refuses what is not a read', async () => {
    const point = aPoint(issuer, { classes: { reads: { posture: { allow_reads_after: 5 } } } });
    point.time.staleMs = 10_000;
    const agent = await anAgent(issuer);
    expect(await outcomeOf(point, agent.request({ method: 'POST' }), { class: 'reads' })).toBe(
      'knowledge-stale',
    );
  });

  it('is 503 with Retry-After and no challenge: a new token would not help', async () => {
    const point = aPoint(issuer);
    point.time.staleMs = 1e9;
    const refusal = await refusalOf(point, await (await anAgent(issuer)).request());
    expect(refusal).toMatchObject({ status: 503, headers: { 'retry-after': '2' }, body: { retry: 'later' } });
    expect(refusal.headers).not.toHaveProperty('www-authenticate');
  });

  it('what is known to be dead stays dead, and is not 503', async () => {
    const point = aPoint(issuer);
    point.put({ match: runner() });
    point.time.staleMs = 1e9;
    expect(await outcomeOf(point, (await anAgent(issuer)).request(), { class: 'public' })).toBe('revoked');
    expect(await outcomeOf(point, (await anAgent(issuer)).request(), { class: 'sensitive' })).toBe('revoked');
  });

  it('without any set sensitive is closed at once, the others count from process start', async () => {
    const point = aPoint(issuer);
    point.time.set = 'none';
    const agent = await anAgent(issuer);
    const outcomes = async () =>
      Promise.all(
        ['sensitive', 'standard', 'public'].map(async (name) =>
          outcomeOf(point, agent.request(), { class: name }),
        ),
      );
    expect(await outcomes()).toEqual(['knowledge-stale', 'access', 'access']);
    expect(point.enforcer.state().closedClasses).toEqual(['sensitive']);
    point.time.staleMs = 300_000;
    expect(await outcomes()).toEqual(['knowledge-stale', 'knowledge-stale', 'access']);
    point.time.staleMs = 0;
    point.time.set = 'disk';
    expect(await outcomes()).toEqual(['access', 'access', 'access']);
  });
});

describe('the order of judgements', () => {
  it('revocation, posture, step-up, nonce, scope, read-only, rate', () => {
    expect(judgements.map(({ name }) => name)).toEqual([
      'revocation',
      'posture',
      'step-up',
      'nonce',
      'scope',
      'restricted scope',
      'read-only',
      'rate',
    ]);
  });
});

describe('mode report', () => {
  it('decides and tells, and lets pass', async () => {
    const told: string[] = [];
    const point = aPoint(issuer, { mode: 'report', onRefusal: ({ code }) => void told.push(code) });
    const agent = await anAgent(issuer);
    point.put({ match: runner() });
    const outcome = await point.enforcer.check(await agent.request());
    expect(outcome).toMatchObject({
      kind: 'access',
      context: { client_id: 'build-runner' },
      wouldRefuse: { code: 'revoked' },
    });
    const nobody = await point.enforcer.check({ method: 'GET', url: '/', headers: {} });
    expect(nobody).toMatchObject({
      kind: 'access',
      context: undefined,
      wouldRefuse: { code: 'no-credentials' },
    });
    expect(told).toEqual(['revoked', 'no-credentials']);
  });

  it('cuts nothing', async () => {
    const told: string[] = [];
    const point = aPoint(issuer, { mode: 'report', onRefusal: ({ code }) => void told.push(code) });
    const access = await point.enforcer.check(await (await anAgent(issuer)).request());
    point.put({ match: runner() });
    expect(access.kind === 'access' && access.signal.aborted).toBe(false);
    expect(told).toEqual(['revoked']);
  });
});

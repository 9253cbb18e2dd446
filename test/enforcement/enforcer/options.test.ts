import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EnforcerOptions } from '../../../src/enforcement/index.ts';
import { type Freshness, postureRefuses } from '../../../src/enforcement/posture.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { anAgent, anIssuer, type APoint, aPoint, outcomeOf } from './a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

describe('options that would fail open are refused', () => {
  const classes = (settings: object) => ({ classes: { own: settings } });
  const posture = (value: unknown) => classes({ posture: value });

  it.each<[string, object, RegExp]>([
    ['a posture that is no number', posture({ fail_closed_after: Number.NaN }), /classes have one posture/],
    ['a posture of text', posture({ fail_closed_after: '60' }), /classes have one posture/],
    ['a posture without end', posture({ fail_closed_after: 86_401 }), /classes have one posture/],
    ['a posture of a fraction', posture({ allow_reads_after: 1.5 }), /classes have one posture/],
    ['a posture below zero', posture({ allow_reads_after: -1 }), /classes have one posture/],
    ['two postures', posture({ fail_closed_after: 60, fail_open: true }), /classes have one posture/],
    ['an unknown posture', posture({ fail_softly: 60 }), /classes have one posture/],
    ['no posture', posture(undefined), /classes have one posture/],
    ['fail_open that is not true', posture({ fail_open: 1 }), /classes have one posture/],
    ['an unknown withoutSnapshot', classes({ withoutSnapshot: 'allow' }), /classes have one posture/],
    ['an unknown binding', classes({ binding: 'maybe' }), /classes have one posture/],
    ['a misspelt setting', classes({ bindng: 'none' }), /classes have one posture/],
    ['a class name that no receipt takes', { classes: { 'a b': {} } }, /classes are named/],
    [
      'too many classes',
      { classes: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`c${index}`, {}])) },
      /at most 32/,
    ],
    ['an unknown mode', { mode: 'enforced' }, /mode is/],
    ['a cache time that is no number', { downstreamCacheSeconds: Number.NaN }, /downstreamCacheSeconds is/],
    ['a cache time below zero', { downstreamCacheSeconds: -1 }, /downstreamCacheSeconds is/],
    ['a cache time beyond a day', { downstreamCacheSeconds: 86_401 }, /downstreamCacheSeconds is/],
    ['a life without end', { issuers: [{ url: 'https://i', max_token_life: Number.NaN }] }, /issuers have/],
    ['a skew of text', { issuers: [{ url: 'https://i', skew: '5' }] }, /issuers have/],
    ['an unknown profile', { issuers: [{ url: 'https://i', profile: 'own' }] }, /issuers have/],
    ['an issuer that is none', { issuers: [null] }, /issuers have/],
  ])('%s', (_, options, says) => {
    expect(() => aPoint(issuer, options as Partial<EnforcerOptions>)).toThrow(says);
  });

  it('and whatever is known to be good is taken', () => {
    const good = {
      classes: {
        a: { posture: { fail_closed_after: 0 } },
        b: { posture: { allow_reads_after: 86_400 } },
        c: { posture: { fail_open: true }, withoutSnapshot: 'posture', binding: 'none' },
        ...Object.fromEntries(Array.from({ length: 26 }, (_, index) => [`c${index}`, {}])),
      },
      mode: 'report',
      downstreamCacheSeconds: 0.5,
    } as const;
    expect(() => aPoint(issuer, good)).not.toThrow();
  });

  it('a time that is no number counts as too old', () => {
    const route = {
      posture: { fail_closed_after: 60 },
      withoutSnapshot: 'posture',
      binding: 'required',
    } as const;
    const freshness: Freshness = { staleMs: Number.NaN, hasSet: true };
    expect(postureRefuses(route, 'GET', freshness)).toBe(true);
  });
});

describe('DESIGN §5: settings of ours bring no revoked token back to life', () => {
  const now = Math.floor(Date.now() / 1_000);
  const hubSays = (point: APoint, more: object) =>
    point.client.onConfiguration?.({ issuers: [{ ...issuer.settings(), ...more }] });
  const outcome = async (point: APoint, claims: object) =>
    outcomeOf(point, (await anAgent(issuer, claims)).request());

  it('a life longer than the hub’s counts no more than the hub’s', async () => {
    const point = aPoint(issuer, { issuers: [{ url: issuer.url }] });
    hubSays(point, { max_token_life: 600 });
    expect(await outcome(point, { iat: now, exp: now + 900 })).toBe('invalid-token');
    expect(await outcome(point, { iat: now, exp: now + 600 })).toBe('access');
  });

  it('nor does a skew: a token dated beyond every cut-off is refused', async () => {
    const point = aPoint(issuer, { issuers: [{ url: issuer.url, skew: 3_600 }] });
    hubSays(point, { skew: 5 });
    expect(await outcome(point, { iat: now + 60, exp: now + 900 })).toBe('invalid-token');
  });

  it('a shorter life of ours counts', async () => {
    const point = aPoint(issuer, { issuers: [{ url: issuer.url, max_token_life: 600 }] });
    hubSays(point, { max_token_life: 86_400 });
    expect(await outcome(point, { iat: now, exp: now + 900 })).toBe('invalid-token');
  });

  it('for an issuer that the hub does not name its defaults are the most, also before it spoke', async () => {
    const point = aPoint(issuer, { issuers: [{ url: issuer.url, max_token_life: 9e6, skew: 3_600 }] });
    const long = { iat: now, exp: now + 86_401 };
    const ahead = { iat: now + 60, exp: now + 900 };
    expect([await outcome(point, long), await outcome(point, ahead)]).toEqual(Array(2).fill('invalid-token'));
    point.client.onConfiguration?.({ issuers: [] });
    expect([await outcome(point, long), await outcome(point, ahead)]).toEqual(Array(2).fill('invalid-token'));
  });

  it('settings of the hub in a shape that is not known still bound ours', async () => {
    const point = aPoint(issuer, { issuers: [{ url: issuer.url }] });
    hubSays(point, { max_token_life: 600, token_types: 'at+jwt' });
    expect(await outcome(point, { iat: now, exp: now + 900 })).toBe('invalid-token');
  });
});

describe('a configuration of the hub', () => {
  it('with a part that makes no sense still brings the others', async () => {
    const point = aPoint(issuer, { issuers: [] });
    const keys = [null, { kid: 'short', key: 'AA', from: 0, until: 9e9 }];
    point.client.onConfiguration?.({
      issuers: [null as never, 7 as never, issuer.settings()],
      nonce_keys: keys as never,
    });
    const agent = await anAgent(issuer);
    expect(await outcomeOf(point, agent.request())).toBe('access');
    const refusal = await point.enforcer.check(await agent.request(), { nonce: 'required' });
    expect(refusal.headers['dpop-nonce']).toMatch(/^local\./);
  });
});

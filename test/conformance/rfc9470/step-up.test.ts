import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anAgent, aPoint, outcomeOf } from '../../enforcement/enforcer/a-point.ts';
import { type AnIssuer, anIssuer } from '../../enforcement/token/an-issuer.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

const now = Math.floor(Date.now() / 1_000);

describe('RFC 9470: from the challenge to the token that meets it', () => {
  it('§3: the challenge names what is needed; §6: a token with a fresh enough login of that kind passes', async () => {
    const point = aPoint(issuer);
    const before = await anAgent(issuer, { iat: now - 60, auth_time: now - 3_600, acr: 'pwd' });
    point.put({
      match: { iss: issuer.url, sub: 'agent-7' },
      effect: 'step_up',
      step_up: { after: now - 30, acr_values: ['myACR'] },
    });
    const outcome = await point.enforcer.check(await before.request());
    if (outcome.kind === 'access') throw new Error('it was let pass');
    expect(outcome.status).toBe(401);
    expect(outcome.headers['www-authenticate']).toMatch(
      /^DPoP error="insufficient_user_authentication", error_description="[^"]+", acr_values="myACR", max_age="3\d", algs="/,
    );
    const refreshed = await anAgent(issuer, { iat: now, auth_time: now - 3_600, acr: 'pwd' });
    expect(await outcomeOf(point, refreshed.request())).toBe('step-up-required');
    const after = await anAgent(issuer, { iat: now, auth_time: now, acr: 'myACR' });
    expect(await outcomeOf(point, after.request())).toBe('access');
  });

  it('§9: a token that is not valid is told that, not what authentication is required', async () => {
    const point = aPoint(issuer);
    point.put({
      match: { iss: issuer.url, sub: 'agent-7' },
      effect: 'step_up',
      step_up: { after: now + 60 },
    });
    const expired = await anAgent(issuer, { iat: now - 900, exp: now - 1 });
    expect(await outcomeOf(point, expired.request())).toBe('expired-token');
  });
});

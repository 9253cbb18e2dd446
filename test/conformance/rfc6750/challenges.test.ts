import * as oauth from 'oauth4webapi';
import { describe, expect, it } from 'vitest';
import { challenge } from '../../../src/enforcement/challenges.ts';
import { toResponse } from '../../../src/enforcement/guards/web.ts';
import { reason, refusalCodes, refusalFor } from '../../../src/enforcement/refusal.ts';

const settings = { schemes: ['DPoP', 'Bearer'], algorithms: ['ES256', 'EdDSA'], used: 'DPoP' } as const;

/** Errors that are registered for `WWW-Authenticate`: RFC 6750 §3.1, RFC 9449 §12.2, RFC 9470 §8. */
const registered = new Set([
  'invalid_request',
  'invalid_token',
  'insufficient_scope',
  'invalid_dpop_proof',
  'use_dpop_nonce',
  'insufficient_user_authentication',
]);

/** The challenges as an independent client reads them. */
async function readBy(response: Response): Promise<readonly oauth.WWWAuthenticateChallenge[]> {
  const answered = oauth.protectedResourceRequest(
    'token',
    'GET',
    new URL('https://api.example/'),
    undefined,
    undefined,
    {
      [oauth.customFetch]: () => Promise.resolve(response),
    },
  );
  const failure: unknown = await answered.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  return failure instanceof oauth.WWWAuthenticateChallengeError ? failure.cause : [];
}

describe.each(refusalCodes)('the answer %s', (code) => {
  const refusal = refusalFor(reason(code), { settings });

  it('RFC 6750 §3, RFC 9110 §11.6.1: a 401 carries a challenge that any client can read', async () => {
    const challenges = await readBy(toResponse(refusal));
    const asked = refusal.status === 401 || refusal.status === 400 || refusal.status === 403;
    expect(challenges.map(({ scheme }) => scheme)).toEqual(asked ? ['dpop', 'bearer'] : []);
    const errors = challenges.flatMap(({ parameters }) => parameters.error ?? []);
    expect(errors).toEqual(
      code === 'no-credentials' || !asked ? [] : [expect.toSatisfy((error: string) => registered.has(error))],
    );
  });

  it('says what an agent can do next, and nothing else', () => {
    expect(refusal.body).toEqual({
      code,
      text: expect.stringMatching(/^[A-Z].*\.$/),
      retry: expect.toBeOneOf(['never', 'new-token', 'later']),
      decision_id: refusal.decisionId,
    });
    expect(refusal.headers['cache-control']).toBe('no-store');
  });
});

describe('RFC 6750 §3, RFC 9449 §7.1: parameters', () => {
  it('without credentials no error is named, and both schemes are offered', () => {
    const { used: _, ...unused } = settings;
    expect(
      challenge(
        { error: undefined, text: 'x' },
        { ...unused, resourceMetadata: 'https://api.example/.well-known/oauth-protected-resource' },
      ),
    ).toBe(
      'DPoP algs="ES256 EdDSA", resource_metadata="https://api.example/.well-known/oauth-protected-resource", ' +
        'Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource"',
    );
  });

  it('RFC 9449 §7.2: the error stands with the scheme that was used, also one that the route does not take', () => {
    const failure = { error: 'invalid_token', text: 'Invalid token' };
    expect(challenge(failure, { ...settings, schemes: ['DPoP'], used: 'Bearer' })).toBe(
      'Bearer error="invalid_token", error_description="Invalid token", DPoP algs="ES256 EdDSA"',
    );
  });

  it('what comes from the hub or from settings cannot leave its quotes', () => {
    const failure = {
      error: 'insufficient_scope',
      text: 'x',
      scope: 'a" realm="b\\\r\nSet-Cookie: c',
      acrValues: ['é', 'phr'],
    };
    expect(challenge(failure, { ...settings, schemes: ['Bearer'], used: 'Bearer' })).toBe(
      'Bearer error="insufficient_scope", error_description="x", scope="a realm=bSet-Cookie: c", acr_values=" phr"',
    );
  });
});

it('RFC 6750 §3: a scope of which nothing is left is left out', () => {
  for (const scope of ['', '"', 'é']) {
    const said = challenge({ error: 'insufficient_scope', text: 'No.', scope, acrValues: [] }, settings);
    expect(said).toMatch(/^DPoP error="insufficient_scope", error_description="No\.", algs=/);
  }
});

import { hash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuerSettings } from '../../../src/core/issuer.ts';
import { systemClock } from '../../../src/enforcement/clock.ts';
import { createTokenVerifier } from '../../../src/enforcement/token.ts';
import { tokenRules } from '../../../src/enforcement/token-rules.ts';
import { type AnIssuer, aSigningKey, anIssuer, audience } from './an-issuer.ts';
import { badTokens } from './bad-tokens.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

function aVerifier(settings: Partial<IssuerSettings> = {}) {
  const verifier = createTokenVerifier({ audience, clock: systemClock, onTrouble: () => undefined });
  verifier.accept([issuer.settings(settings)]);
  return verifier;
}

describe('a token that must not pass is refused', () => {
  it.each(badTokens)('$what: $code', async ({ make, code }) => {
    const outcome = await aVerifier().verify(await make(issuer));
    expect(outcome).toMatchObject({ kind: 'reason', code });
  });

  it('each rule refuses at least one of them: no rule stands idle', async () => {
    const verifier = aVerifier();
    const outcomes = await Promise.all(
      badTokens.map(async ({ make }) => verifier.verify(await make(issuer))),
    );
    const texts = new Set(outcomes.map((outcome) => outcome.kind === 'reason' && outcome.text));
    expect(tokenRules.filter(({ text }) => !texts.has(text)).map(({ text }) => text)).toEqual([]);
    expect(tokenRules.length).toBeGreaterThan(10);
  });

  it('and so is any text, without a throw', async () => {
    const verifier = aVerifier();
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
    );
    await fc.assert(
      fc.asyncProperty(fc.tuple(part, part, part), async (parts) => {
        expect(await verifier.verify(parts.join('.'))).toMatchObject({ kind: 'reason' });
      }),
    );
  });
});

describe('a token that passes', () => {
  it('is read as its issuer is configured: subject, client, session, key, times and actors', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const act = {
      sub: 'spiffe://td/worker',
      client_id: 'report-writer',
      act: { iss: 'https://other.example', sub: 'root' },
    };
    const compact = await issuer.token({
      iat: now,
      sid: 's1',
      auth_time: now - 10,
      cnf: { jkt: 'k'.repeat(43) },
      act,
      acr: 'phr',
    });
    const outcome = await aVerifier().verify(compact);
    expect(outcome).toMatchObject({
      kind: 'verified',
      scopes: ['charges:read', 'charges:write'],
      acr: 'phr',
      expiresAtMs: (now + 900) * 1_000,
    });
    expect('context' in outcome && outcome.context).toEqual({
      iss: issuer.url,
      sub: 'agent-7',
      client_id: 'build-runner',
      jkt: 'k'.repeat(43),
      jti: 'token-1',
      sid: 's1',
      token_sha256: hash('sha256', compact.split('.').slice(0, 2).join('.'), 'base64url'),
      iat: now,
      auth_time: now - 10,
      exp: now + 900,
      act: [
        {
          iss: issuer.url,
          sub: 'spiffe://td/worker',
          client_id: 'report-writer',
          workload: 'spiffe://td/worker',
        },
        { iss: 'https://other.example', sub: 'root' },
      ],
    });
  });

  it.each([
    {
      profile: 'keycloak',
      claims: { client_id: undefined, azp: 'kc', typ: 'Bearer' },
      header: { typ: 'JWT' },
      hop: { client_id: 'kc' },
    },
    {
      profile: 'entra',
      claims: { client_id: undefined, appid: 'app', oid: 'object', scp: 'a b', scope: undefined },
      header: { typ: 'JWT' },
      hop: { client_id: 'app', sub: 'object' },
    },
    {
      profile: 'okta',
      claims: { client_id: undefined, cid: 'okta-client', scp: ['a', 'b'], scope: undefined },
      header: { typ: undefined },
      hop: { client_id: 'okta-client' },
    },
    {
      profile: 'auth0',
      claims: { client_id: undefined, azp: 'auth0-client' },
      header: { typ: 'JWT' },
      hop: { client_id: 'auth0-client' },
    },
    {
      profile: 'rfc9068',
      claims: {},
      header: { typ: 'application/AT+JWT' },
      hop: { client_id: 'build-runner' },
    },
  ] as const)(
    'of profile $profile has its own names for things',
    async ({ profile, claims, header, hop }) => {
      const outcome = await aVerifier(issuer.settings({ profile })).verify(
        await issuer.token(claims, header),
      );
      expect(outcome).toMatchObject({ kind: 'verified', context: hop });
    },
  );

  it.each(['RS256', 'EdDSA'] as const)('may be signed with %s', async (alg) => {
    const key = await aSigningKey(`key-${alg}`, alg);
    issuer.serve([issuer.key, key]);
    expect(await aVerifier().verify(await issuer.token({}, {}, key))).toMatchObject({ kind: 'verified' });
    issuer.serve([issuer.key]);
  });

  it('RFC 9864: Ed25519 is the same as EdDSA', async () => {
    const key = await aSigningKey('ed', 'EdDSA');
    issuer.serve([key]);
    const outcome = await aVerifier().verify(await issuer.token({}, { alg: 'Ed25519' }, key));
    expect(outcome).toMatchObject({ kind: 'verified' });
    issuer.serve([issuer.key]);
  });

  it('has its subject, client and session where its profile says: there they must be text, elsewhere not', async () => {
    const entra = aVerifier(issuer.settings({ profile: 'entra' }));
    const token = async (claims: object) =>
      entra.verify(await issuer.token({ oid: 'object', ...claims }, { typ: 'JWT' }));
    expect(await token({ client_id: 7 })).toMatchObject({ kind: 'verified' });
    for (const claim of ['oid', 'azp', 'appid']) {
      expect(await token({ [claim]: 7 })).toMatchObject({ code: 'invalid-token' });
    }
  });

  it('is remembered: the second time answers at once and is the same object', async () => {
    const verifier = aVerifier();
    const compact = await issuer.token();
    const first = await verifier.verify(compact);
    expect(verifier.verify(compact)).toBe(first);
  });

  it('is verified again when the settings of its issuer change, and refused when that is no longer accepted', async () => {
    const verifier = aVerifier();
    const compact = await issuer.token();
    await verifier.verify(compact);
    verifier.accept([issuer.settings({ max_token_life: 60 })]);
    expect(await verifier.verify(compact)).toMatchObject({ code: 'invalid-token' });
    verifier.accept([{ ...issuer.settings(), url: 'https://other.example' }]);
    expect(await verifier.verify(compact)).toMatchObject({ code: 'unknown-issuer' });
  });

  it('is forgotten at its exp', async () => {
    let nowMs = Date.now();
    const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
    const verifier = createTokenVerifier({ audience, clock, onTrouble: () => undefined });
    verifier.accept([issuer.settings()]);
    const compact = await issuer.token();
    expect(await verifier.verify(compact)).toMatchObject({ kind: 'verified' });
    nowMs += 900_000;
    expect(await verifier.verify(compact)).toMatchObject({ code: 'expired-token' });
  });

  it('cannot shake off its token_sha256 by another signature over the same claims', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const [first, second] = await Promise.all(
      [0, 1].map(async () => aVerifier().verify(await issuer.token({ iat: now }))),
    );
    expect(first).toMatchObject({ kind: 'verified' });
    expect(first).not.toEqual(second);
    expect(first && 'context' in first && first.context).toEqual(
      second && 'context' in second && second.context,
    );
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/enforcement/clock.ts';
import { createTokenVerifier } from '../../../src/enforcement/token.ts';
import { type AnIssuer, anIssuer, audience } from '../../enforcement/token/an-issuer.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

const now = Math.floor(Date.now() / 1_000);

async function outcomeOf(claims: object, header: object = {}) {
  const verifier = createTokenVerifier({ audience, clock: systemClock, onTrouble: () => undefined });
  verifier.accept([issuer.settings({ profile: 'rfc9068' })]);
  const outcome = await verifier.verify(await issuer.token(claims, header));
  return outcome.kind === 'verified' ? 'verified' : outcome.code;
}

/** RFC 9068 §4, item by item. Encrypted tokens are not taken. */
describe('RFC 9068 §4: validating JWT access tokens', () => {
  it.each([
    ['typ at+jwt', {}, {}, 'verified'],
    ['typ application/at+jwt', {}, { typ: 'application/at+jwt' }, 'verified'],
    ['any other typ', {}, { typ: 'jwt' }, 'not-an-access-token'],
    ['iss of another server', { iss: 'https://other.example/' }, {}, 'unknown-issuer'],
    ['aud with us among others', { aud: ['https://other.example', audience] }, {}, 'verified'],
    ['aud without us', { aud: ['https://other.example'] }, {}, 'invalid-token'],
    ['a key the server does not list', {}, { kid: 'other' }, 'invalid-token'],
    ['exp before now', { iat: now - 60, exp: now }, {}, 'expired-token'],
  ])('%s', async (_, claims, header, outcome) => {
    expect(await outcomeOf(claims, header)).toBe(outcome);
  });
});

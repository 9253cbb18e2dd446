import * as fc from 'fast-check';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aClient, type AClient } from '../../enforcement/dpop/a-client.ts';
import { aPoint, origin } from '../../enforcement/enforcer/a-point.ts';
import { type AnIssuer, anIssuer, audience } from '../../enforcement/token/an-issuer.ts';

let issuer: AnIssuer;
let owner: AClient;
let stranger: AClient;
beforeAll(async () => {
  issuer = await anIssuer();
  [owner, stranger] = await Promise.all([aClient(), aClient()]);
});
afterAll(() => issuer.close());

const now = () => Math.floor(Date.now() / 1_000);
const url = `${origin}/charges`;

/** Changes to a good request, each of which both sides have an opinion on. The first of each list changes nothing. */
const changes = {
  claims: [
    {},
    { aud: 'https://other.example' },
    { aud: [audience, 'https://other.example'] },
    { iss: 'https://other.example' },
    { iat: now() - 1_000, exp: now() - 100 },
    { nbf: now() + 600 },
  ],
  header: [{}, { typ: 'JWT' }, { typ: 'application/at+jwt' }, { typ: 'secevent+jwt' }, { kid: 'unknown' }],
  cnf: [() => ({ jkt: owner.jkt }), () => ({ jkt: stranger.jkt }), () => undefined],
  scheme: ['DPoP', 'dpop', 'Bearer'],
  proof: [
    {},
    { htm: 'POST' },
    { htu: `${url}?query#fragment` },
    { htu: 'HTTPS://API.EXAMPLE:443/charges' },
    { htu: `${origin}/x/../charges` },
    { htu: `${origin}/refunds` },
    { htu: 'https://other.example/charges' },
    { htu: undefined },
    { iat: now() - 10_000 },
    { iat: now() + 10_000 },
    { iat: undefined },
    { jti: undefined },
    { ath: 'other' },
    { ath: undefined },
  ],
  proofHeader: [{}, { typ: 'JWT' }, { jwk: undefined }, { jwk: { kty: 'oct', k: 'AAAA' } }],
  missing: [false, true],
} as const;

const oneOf = <T>(list: readonly T[]) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(list[0] as T) },
    { weight: 1, arbitrary: fc.constantFrom(...list) },
  );

it('RFC 9449 §4.3: what oauth4webapi refuses is refused, and what it accepts is accepted', async () => {
  const { enforcer } = aPoint(issuer);
  const server: oauth.AuthorizationServer = { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` };
  const seen = { accepted: 0, refused: 0 };
  const change = fc.record({
    claims: oneOf(changes.claims),
    header: oneOf(changes.header),
    cnf: oneOf(changes.cnf),
    scheme: oneOf(changes.scheme),
    proof: oneOf(changes.proof),
    proofHeader: oneOf(changes.proofHeader),
    missing: oneOf(changes.missing),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ claims, header, cnf, scheme, proof, proofHeader, missing }) => {
      const token = await issuer.token({ ...claims, cnf: cnf() }, header);
      const headers = new Headers({ authorization: `${scheme} ${token}` });
      if (!missing) headers.set('dpop', await owner.proof({ url, token }, proof, proofHeader));
      const request = new Request(url, { headers });
      const ours = await enforcer.check(request);
      const theirs = await oauth
        .validateJwtAccessToken(server, request, audience, {
          requireDPoP: true,
          [oauth.allowInsecureRequests]: true,
        })
        .then(
          () => 'access',
          () => 'refusal',
        );
      seen[ours.kind === 'access' ? 'accepted' : 'refused'] += 1;
      expect(ours.kind).toBe(theirs);
    }),
    { numRuns: 400 },
  );
  expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(20);
});

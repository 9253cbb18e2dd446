import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createProofVerifier } from '../../../src/enforcement/dpop.ts';
import { createNonces } from '../../../src/enforcement/nonce.ts';

/** The example of RFC 9449 §7.1, Figures 12 to 14. */
const accessToken = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU';
const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
const proof = [
  'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19',
  'eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9',
  '2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA',
].join('.');

const verifierAt = (seconds: number) => {
  const clock = { nowMs: () => seconds * 1_000, monotonicMs: () => 0 };
  return createProofVerifier({
    origin: 'https://resource.example.org',
    clock,
    nonces: createNonces({ clock }),
  });
};

const request = {
  fields: [proof],
  method: 'GET',
  target: '/protectedresource',
  jkt,
  tokenSha256: hash('sha256', accessToken, 'base64url'),
  nonceRequired: false,
};

describe('RFC 9449 §7.1: the protected resource request', () => {
  it('its token hashes to the ath of the example', () => {
    expect(request.tokenSha256).toBe('fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo');
  });

  it('is accepted at the time it was made, with its jkt and its ath', () => {
    expect(verifierAt(1_562_262_618).verify(request)).toEqual({ kind: 'proof', nonceAge: undefined });
  });

  it.each([
    ['an hour later', 1_562_266_218, {}],
    ['as POST', 1_562_262_618, { method: 'POST' }],
    ['for another resource', 1_562_262_618, { target: '/other' }],
  ])('is refused %s', (_, seconds, change) => {
    expect(verifierAt(seconds).verify({ ...request, ...change })).toMatchObject({ code: 'invalid-proof' });
  });

  it('is refused for a token bound to another key', () => {
    const outcome = verifierAt(1_562_262_618).verify({ ...request, jkt: jkt.toLowerCase() });
    expect(outcome).toMatchObject({ code: 'wrong-key', presentedJkt: jkt });
  });
});

import { createHash, generateKeyPairSync } from 'node:crypto';
import type { Jwk, NewAuthorizationKey } from './ports.ts';

/** What access tokens are signed with: small, and known to every library. */
export const authorizationAlgorithm = 'ES256';

/** A new key pair, named by its thumbprint (RFC 7638). */
export function makeAuthorizationKey(): NewAuthorizationKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { d, crv = '', x = '', y = '' } = privateKey.export({ format: 'jwk' });
  if (d === undefined) throw new Error('a key pair without a private key');
  const kty = 'EC';
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  const publicJwk: Jwk = { kty, crv, x, y, kid, alg: authorizationAlgorithm, use: 'sig' };
  return { kid, publicJwk, privateJwk: { ...publicJwk, d } };
}

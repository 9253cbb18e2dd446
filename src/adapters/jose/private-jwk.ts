import { type CryptoKey, importJWK, type JWK } from 'jose';
import type { JsonObject } from '../../core/vocabulary.ts';

/**
 * A private key to sign with, which cannot be read out of it again.
 *
 * @throws Error when it is no private JWK with `alg` and `kid`: the hub made it, so that is a bug.
 */
export async function importPrivateJwk(
  jwk: JsonObject,
): Promise<{ readonly key: CryptoKey; readonly kid: string; readonly alg: string }> {
  const { kid, alg } = jwk;
  if (typeof kid !== 'string' || typeof alg !== 'string')
    throw new TypeError('a private key names no kid, or no alg');
  const key = await importJWK(jwk as JWK, alg, { extractable: false });
  if (key instanceof Uint8Array) throw new TypeError('a private key is a secret');
  return { key, kid, alg };
}

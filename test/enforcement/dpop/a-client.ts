import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';

/** Who holds a token and the key it is bound to. Makes proofs of any shape. */
export type AClient = {
  readonly jkt: string;
  readonly jwk: JWK;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** A proof for `token` and this request; `claims` and `header` replace members of a good one, `undefined` removes them. */
  readonly proof: (request: ProvenRequest, claims?: object, header?: object) => Promise<string>;
};

export type ProvenRequest = { readonly method?: string; readonly url: string; readonly token: string };

const pairs = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  Ed25519: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
} as const;
export const clientAlgorithms = Object.keys(pairs) as readonly (keyof typeof pairs)[];

export async function aClient(alg: keyof typeof pairs = 'ES256'): Promise<AClient> {
  const { privateKey, publicKey } = pairs[alg]();
  const jwk = await exportJWK(publicKey);
  return {
    alg,
    jwk,
    privateKey,
    publicKey,
    jkt: await calculateJwkThumbprint(jwk),
    proof: ({ method = 'GET', url, token }, claims = {}, header = {}) => {
      const payload = {
        jti: randomUUID(),
        htm: method,
        htu: url,
        iat: Math.floor(Date.now() / 1_000),
        ath: createHash('sha256').update(token).digest('base64url'),
        ...claims,
      };
      return new SignJWT(JSON.parse(JSON.stringify(payload)) as Record<string, unknown>)
        .setProtectedHeader(
          JSON.parse(JSON.stringify({ typ: 'dpop+jwt', alg, jwk, ...header })) as { alg: string },
        )
        .sign(privateKey, { crit: { 'urn:example:unknown': true } });
    },
  };
}

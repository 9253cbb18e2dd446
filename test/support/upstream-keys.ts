import { createHmac, randomUUID } from 'node:crypto';
import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { JsonObject } from '../../src/core/vocabulary.ts';

export type SignOptions = {
  /**
   * Absent: that of the upstream's key. Another one gets a key of its own, which is published too. `none` is an
   * unsecured JWS; `HS256` is a MAC with the public key as its secret.
   */
  readonly alg?: string;
  /** `null`: no such member. */
  readonly kid?: string | null;
  /** `null`: no such member. */
  readonly typ?: string | null;
  /** By a key that nobody publishes, under the `kid` of the one that is. */
  readonly forged?: boolean;
  /** More members of the header. */
  readonly header?: JsonObject;
};

type Pair = { readonly kid: string; readonly alg: string; readonly key: CryptoKey; readonly publicJwk: JWK };

/** The signing keys of an upstream. The newest one signs. */
export type UpstreamKeys = {
  /** As served: the newest first. */
  readonly jwks: () => { readonly keys: readonly JWK[] };
  readonly kid: () => string;
  /** A new key signs from now on. The old ones stay published, unless they are dropped. */
  readonly rotate: (options?: { readonly dropOld?: boolean }) => Promise<string>;
  /** Of claims, or of a payload that need not be JSON. */
  readonly sign: (claims: JsonObject | string, options?: SignOptions) => Promise<string>;
};

export async function makeUpstreamKeys(algorithm: string): Promise<UpstreamKeys> {
  let current = await makePair(algorithm);
  const published = [current];
  const others = new Map<string, Pair>();

  const pairFor = async (alg: string): Promise<Pair> => {
    if (alg === algorithm) return current;
    const pair = others.get(alg) ?? (await makePair(alg));
    if (!others.has(alg)) published.push(pair);
    others.set(alg, pair);
    return pair;
  };
  return {
    jwks: () => ({ keys: published.map(({ publicJwk }) => publicJwk) }),
    kid: () => current.kid,
    async rotate({ dropOld = false } = {}) {
      current = await makePair(algorithm);
      if (dropOld) published.length = 0;
      published.unshift(current);
      return current.kid;
    },
    async sign(claims, { alg = algorithm, kid, typ = 'secevent+jwt', forged = false, header = {} } = {}) {
      const isKeyless = alg === 'none' || alg.startsWith('HS');
      const named = isKeyless ? current : await pairFor(alg);
      const headerKid = kid === undefined ? named.kid : kid;
      const protectedHeader = {
        alg,
        ...(headerKid === null ? {} : { kid: headerKid }),
        ...(typ === null ? {} : { typ }),
        ...header,
      };
      const payload = typeof claims === 'string' ? claims : JSON.stringify(claims);
      if (isKeyless) return signByHand(protectedHeader, payload, current.publicJwk);
      const { key } = forged ? await makePair(alg) : named;
      return new CompactSign(Buffer.from(payload)).setProtectedHeader(protectedHeader).sign(key);
    },
  };
}

/** What jose does not make. */
function signByHand(header: { readonly alg: string }, payload: string, publicJwk: JWK): string {
  const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url'));
  const signed = input.join('.');
  if (header.alg === 'none') return `${signed}.`;
  const mac = createHmac(`sha${header.alg.slice(2)}`, JSON.stringify(publicJwk))
    .update(signed)
    .digest();
  return `${signed}.${mac.toString('base64url')}`;
}

async function makePair(alg: string): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = `key-${randomUUID()}`;
  return { kid, alg, key: privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

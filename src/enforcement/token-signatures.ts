import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** A JSON Web Key as it was received: hostile. */
export type Jwk = { readonly [member: string]: unknown };

export type SignatureAlgorithm = {
  readonly kty: 'EC' | 'OKP' | 'RSA';
  readonly crv?: string;
  /** `null`: the signature scheme hashes by itself. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly pss?: true;
};

const ed25519: SignatureAlgorithm = { kty: 'OKP', crv: 'Ed25519', hash: null };

/** Every JWS algorithm there is for us. No MAC and no `none`, so that neither can be configured by mistake. */
const algorithms = {
  ES256: { kty: 'EC', crv: 'P-256', hash: 'sha256' },
  ES384: { kty: 'EC', crv: 'P-384', hash: 'sha384' },
  ES512: { kty: 'EC', crv: 'P-521', hash: 'sha512' },
  EdDSA: ed25519,
  Ed25519: ed25519,
  RS256: { kty: 'RSA', hash: 'sha256' },
  RS384: { kty: 'RSA', hash: 'sha384' },
  RS512: { kty: 'RSA', hash: 'sha512' },
  PS256: { kty: 'RSA', hash: 'sha256', pss: true },
  PS384: { kty: 'RSA', hash: 'sha384', pss: true },
  PS512: { kty: 'RSA', hash: 'sha512', pss: true },
} as const satisfies Record<string, SignatureAlgorithm>;

const algorithmsByName: ReadonlyMap<string, SignatureAlgorithm> = new Map(Object.entries(algorithms));

/** Names of all supported algorithms, as a DPoP challenge lists them. */
export const algorithmNames: readonly string[] = Object.keys(algorithms);

export const algorithmOf = (name: unknown): SignatureAlgorithm | undefined =>
  typeof name === 'string' ? algorithmsByName.get(name) : undefined;

/**
 * A key object of these members; `undefined` when they are no key (a point off the curve, an unknown curve). Costs as
 * much as a verification: callers keep the result.
 */
export function importPublicKey(members: PublicMembers): KeyObject | undefined {
  try {
    return createPublicKey({ key: { ...members }, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** Whether a key of these members can make signatures of that algorithm. */
export const fits = (members: PublicMembers, { kty, crv }: SignatureAlgorithm): boolean =>
  members.kty === kty && ('crv' in members ? members.crv : undefined) === crv;

/**
 * The members that make a public key what it is, in the order that RFC 7638 §3.2 hashes them. `undefined` for anything
 * malformed, private or out of bounds: RSA below 2048 bits is weak, huge moduli and exponents are a denial of service.
 *
 * @see RFC 7517 §4, RFC 7518 §6, RFC 8037 §2
 */
export function publicMembers(jwk: Jwk): PublicMembers | undefined {
  if (privateMembers.some((member) => Object.hasOwn(jwk, member))) return undefined;
  const { kty, crv, x, y, n, e } = jwk;
  if (kty === 'EC' && typeof crv === 'string' && isBase64url(x) && isBase64url(y)) return { crv, kty, x, y };
  if (kty === 'OKP' && typeof crv === 'string' && isBase64url(x)) return { crv, kty, x };
  if (kty !== 'RSA' || !isBase64url(n) || !isBase64url(e)) return undefined;
  const modulusBytes = Math.floor((n.length * 3) / 4);
  const bounded = modulusBytes >= rsaModulusBytesMin && modulusBytes <= rsaModulusBytesMax;
  return bounded && e.length <= rsaExponentCharactersMax ? { e, kty, n } : undefined;
}

export type PublicMembers =
  | { readonly crv: string; readonly kty: 'EC'; readonly x: string; readonly y: string }
  | { readonly crv: string; readonly kty: 'OKP'; readonly x: string }
  | { readonly e: string; readonly kty: 'RSA'; readonly n: string };

/** `false` for every kind of wrong signature, also for one of the wrong length. `signed` is the ASCII of `header.payload`. */
export function verifies(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  signed: string,
  signature: Uint8Array,
): boolean {
  const data = Buffer.from(signed, 'latin1');
  try {
    if (algorithm.kty === 'EC') {
      return verify(algorithm.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    }
    if (algorithm.pss) {
      const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
      return verify(algorithm.hash, data, { key, padding, saltLength }, signature);
    }
    return verify(algorithm.hash, data, key, signature);
  } catch {
    return false;
  }
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;
const rsaModulusBytesMin = 256;
const rsaModulusBytesMax = 1_024;
const rsaExponentCharactersMax = 6;

const base64urlShape = /^[\w-]+$/;
const isBase64url = (value: unknown): value is string =>
  typeof value === 'string' && base64urlShape.test(value);

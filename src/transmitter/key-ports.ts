import type { SetClaims } from '../core/set-claims.ts';
import type { SigningAlgorithm } from '../core/stream.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { By } from './ports.ts';

/** @see RFC 7518 §6.1, RFC 8037 §2 */
export const keyTypes = ['RSA', 'EC', 'OKP'] as const;
type KeyType = (typeof keyTypes)[number];

/** A key as it is served: public members only. @see RFC 7517 §4 */
export type PublicJwk = {
  readonly [member: string]: string;
  readonly kty: KeyType;
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly use: 'sig';
};

/** What keys are for: each signs one kind of thing only. */
export const keyPurposes = ['sets', 'access-tokens'] as const;
export type KeyPurpose = (typeof keyPurposes)[number];

/** A key without its secret. What it does at a moment follows from its times: `key-life.ts`. */
export type SigningKey = {
  /** @see RFC 7638 */
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  /** Counts the keys of its algorithm from 1, the retired ones included. */
  readonly generation: number;
  readonly publicJwk: PublicJwk;
  readonly publishedAtMs: Millis;
  readonly signsFromMs: Millis;
  /** No longer served, and its private key is gone. */
  readonly retiredAtMs?: Millis;
};

export type MadeKey = {
  readonly kid: string;
  readonly publicJwk: PublicJwk;
  /** PKCS #8, as text. A secret. */
  readonly privateKey: string;
};

/** Every change is announced as `keys`, after its commit. */
export type SigningKeyStore = {
  /** By algorithm and generation. Of those that are retired the newest, within `keysListedMax` altogether. */
  list(): Promise<readonly SigningKey[]>;
  /**
   * `undefined`: there is none, or it is retired.
   *
   * @throws Problem `invalid-configuration` when it was sealed under another `SECRETS_KEY`.
   */
  privateKeyOf(kid: string): Promise<string | undefined>;
  /**
   * Publishes a key. `removesOlder`: all older ones of its algorithm are retired with it, and pending SETs that they
   * signed wait for a new signature; those that somebody is at are left out, as `isServed` tells of them.
   *
   * @returns `undefined` when there is one of that generation already: look again. Else the kids that were removed.
   */
  add(key: NewSigningKey, removesOlder: boolean, by: By): Promise<readonly string[] | undefined>;
  /**
   * Retires those whose successor signs since `supersededBeforeMs` or longer, unless a pending SET carries their kid.
   *
   * @returns their kids.
   */
  retireSuperseded(supersededBeforeMs: Millis, by: By): Promise<readonly string[]>;
  /** Drops the rows of those that were retired before; the newest of an algorithm is never one of them. */
  forget(retiredBeforeMs: Millis): Promise<void>;
};
export type NewSigningKey = Omit<SigningKey, 'retiredAtMs'> & MadeKey;

/** They travel whole, and few are served: at most `servedKeysMax` of an algorithm. */
export const keysListedMax = 200;

/** What is done with keys themselves. All of it beside the event loop. */
export type KeyCraft<Signer = SignWithKey> = {
  /** RSA has 3072 bits. */
  make(algorithm: SigningAlgorithm): Promise<MadeKey>;
  /** Reads the private key once and keeps it. */
  openSigner(key: Pick<SigningKey, 'kid' | 'algorithm'> & { readonly privateKey: string }): Promise<Signer>;
};

/** Answers the compact form: header exactly `alg`, `kid` and `typ`, claims verbatim. @see RFC 8417 §2.3 */
export type SignWithKey = (claims: SetClaims) => Promise<string>;

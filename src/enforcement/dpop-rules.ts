import type { Json, JsonObject, Seconds } from '../core/vocabulary.ts';
import { hasDotSegments, normaliseUri } from './dpop-uri.ts';
import { algorithmOf } from './token-signatures.ts';

/** The claims of a proof, of the right types and not yet believed. */
export type ProofClaims = {
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  readonly iat: Seconds;
  readonly ath: string;
  readonly nonce: string | undefined;
};

/** A proof whose signature is still to be checked, and the request it came with. */
export type ProofFacts = {
  readonly claims: ProofClaims;
  readonly method: string;
  /** The URI of the request at our configured origin, without query. */
  readonly uri: string;
  /** base64url SHA-256 of the presented token. */
  readonly tokenSha256: string;
  readonly nowSeconds: Seconds;
};

type Rule<Facts> = {
  readonly section: string;
  readonly text: string;
  readonly refuses: (facts: Facts) => boolean;
};

/** A proof is good for this long after its `iat`. */
export const proofAgeMaxSeconds = 60;
/** And this long before it, for clients whose clocks run ahead. */
export const proofAheadMaxSeconds = 30;
const jtiCharactersMax = 256;
const nonceCharactersMax = 256;

/** What the header of a proof must be. It says the same for every proof of one key, so the outcome is remembered with the key. */
export const proofHeaderRules: readonly Rule<JsonObject>[] = [
  {
    section: 'RFC 9449 §4.3 (4)',
    text: 'The proof header has another typ than dpop+jwt.',
    refuses: (header) => header['typ'] !== 'dpop+jwt',
  },
  {
    section: 'RFC 9449 §4.3 (5)',
    text: 'The proof is not signed with one of the algorithms named in algs.',
    refuses: (header) => !algorithmOf(header['alg']),
  },
  {
    section: 'RFC 7515 §4.1.11',
    text: 'The proof header names extensions (crit) that are not understood.',
    refuses: (header) => Object.hasOwn(header, 'crit'),
  },
];

/** What the claims of a proof must be, for this request and this token. */
export const proofClaimRules: readonly Rule<ProofFacts>[] = [
  {
    section: 'RFC 9449 §4.3 (8)',
    text: 'The proof is for another method (htm).',
    refuses: ({ claims, method }) => claims.htm !== method,
  },
  {
    section: 'RFC 9449 §4.3 (9)',
    text: 'The proof is for another URI (htu).',
    refuses: ({ claims, uri }) => !isSameUri(claims.htu, uri),
  },
  {
    section: 'RFC 9449 §4.3 (11)',
    text: 'The proof was not made just now (iat).',
    refuses: ({ claims, nowSeconds }) => {
      const age = nowSeconds - claims.iat;
      return !(age <= proofAgeMaxSeconds && age >= -proofAheadMaxSeconds);
    },
  },
  {
    section: 'RFC 9449 §4.3 (12)',
    text: 'The proof is for another access token (ath).',
    refuses: ({ claims, tokenSha256 }) => claims.ath !== tokenSha256,
  },
];

export function refusalText<Facts>(rules: readonly Rule<Facts>[], facts: Facts): string | undefined {
  return rules.find(({ refuses }) => refuses(facts))?.text;
}

/** §4.3 (3): every required claim, of its type and of bounded length. */
export function readProofClaims({ jti, htm, htu, iat, ath, nonce }: JsonObject): ProofClaims | undefined {
  if (!isText(jti, jtiCharactersMax) || typeof iat !== 'number') return undefined;
  if (typeof htm !== 'string' || typeof htu !== 'string' || typeof ath !== 'string') return undefined;
  if (nonce !== undefined && !isText(nonce, nonceCharactersMax)) return undefined;
  return { jti, htm, htu, iat, ath, nonce };
}

const isText = (value: Json | undefined, charactersMax: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= charactersMax;

function isSameUri(htu: string, uri: string): boolean {
  if (htu === uri) return true;
  // The router answers for the target as it was sent: a proof for where its dots lead is no proof for it.
  if (hasDotSegments(uri)) return false;
  const normalised = normaliseUri(htu);
  return normalised !== undefined && normalised === normaliseUri(uri);
}

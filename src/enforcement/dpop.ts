import { hash, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Seconds } from '../core/vocabulary.ts';
import {
  proofAgeMaxSeconds,
  proofAheadMaxSeconds,
  type ProofClaims,
  proofClaimRules,
  type ProofFacts,
  proofHeaderRules,
  readProofClaims,
  refusalText,
} from './dpop-rules.ts';
import { targetPath } from './dpop-uri.ts';
import type { Clock } from './feed-types.ts';
import type { Nonces } from './nonce.ts';
import { type Reason, reason } from './refusal.ts';
import { createReplayMemory, proofsRememberedMax } from './replay.ts';
import { isJsonObject, parseJsonPart } from './token-format.ts';
import {
  algorithmOf,
  fits,
  importPublicKey,
  publicMembers,
  type PublicMembers,
  type SignatureAlgorithm,
  verifies,
} from './token-signatures.ts';

/** A request with a token bound to `jkt`, and what stood in its `DPoP` header fields. */
export type ProofRequest = {
  readonly fields: readonly string[];
  readonly method: string;
  /** Request target as it was sent; only its path counts. */
  readonly target: string;
  readonly jkt: string;
  readonly tokenSha256: string;
  /** The route accepts only proofs that carry one of our nonces. */
  readonly nonceRequired: boolean;
};

/** `nonceAge`: seconds since we issued the nonce in the proof; `undefined`: it has none. */
export type Proof = { readonly kind: 'proof'; readonly nonceAge: Seconds | undefined };

export type ProofVerifier = {
  readonly verify: (request: ProofRequest) => Proof | Reason;
  /** From now on this key's proofs need a nonce: it was given one. */
  readonly demandNonce: (jkt: string) => void;
};

/** Longer proofs are refused unread. */
const proofCharactersMax = 4_096;
/** Keys are remembered with the header that names them: one look-up instead of decoding, thumbprint and import. */
const keysRememberedMax = 10_000;
const keysRememberedCharactersMax = 8 * 1_024 * 1_024;
/** So far the wall clock may go back against the monotonic one before proofs from before it did count as used. */
const clockDriftMaxMs = 10_000;
/** Keys that were given a nonce. */
const demandsRememberedMax = 10_000;
/** How often per token a proof by another key is verified, to tell theft from noise. */
const strangersPerTokenMax = 8;
const tokensWithStrangersMax = 10_000;

/**
 * Verifies DPoP proofs against `origin`, never against what a request says about its own host. The thumbprint is
 * compared before the signature is checked, and everything that costs little before what costs much.
 *
 * @see RFC 9449 §4.3
 */
export function createProofVerifier(options: {
  /** Public scheme, host and port of the resource server. */
  readonly origin: string;
  readonly clock: Clock;
  readonly nonces: Nonces;
  /** Used proofs that are remembered; the next one is refused. */
  readonly proofsMax?: number;
}): ProofVerifier {
  const { origin, clock, nonces, proofsMax = proofsRememberedMax } = options;
  const spanMs = (proofAgeMaxSeconds + proofAheadMaxSeconds) * 1_000 + clockDriftMaxMs;
  const replays = createReplayMemory({ clock, spanMs, driftMs: clockDriftMaxMs, proofsMax });
  const keys = createProofKeys();
  const demanded = new LRUCache<string, true>({ max: demandsRememberedMax });

  function factsOf({ method, target, tokenSha256 }: ProofRequest, claims: ProofClaims): ProofFacts {
    const uri = origin + targetPath(target).replace(/[?#].*$/s, '');
    return { claims, method, tokenSha256, uri, nowSeconds: clock.nowMs() / 1_000 };
  }

  return {
    verify(request) {
      const compact = takeApart(request.fields);
      if ('kind' in compact) return compact;
      const header = keys.known(compact.header) ?? readHeader(compact.header);
      if (header.kind === 'reason') return header;
      const claims = readProofClaims(parseJsonPart(compact.payload) ?? {});
      const text = claims ? refusalText(proofClaimRules, factsOf(request, claims)) : formText;
      if (header.jkt !== request.jkt) return keys.stranger(request, compact, header, text === undefined);
      if (!claims || text !== undefined) return invalid(text ?? formText);
      const key = keys.own(compact.header, header);
      if (!key || !verifies(header.algorithm, key, compact.signed, compact.signature)) {
        return invalid('The signature of the proof does not verify.');
      }
      // Only now: the answer demands a nonce of this key from then on, and nobody else may bring that about.
      const nonceAge = claims.nonce === undefined ? undefined : nonces.ageOf(claims.nonce);
      const nonceNeeded = request.nonceRequired || claims.nonce !== undefined || demanded.has(request.jkt);
      if (nonceNeeded && nonceAge === undefined) return reason('nonce-required');
      const seen = replays.remember({ jkt: request.jkt, jti: claims.jti, iat: claims.iat });
      if (seen === 'replayed') return reason('proof-replayed');
      if (seen === 'full') return reason('replay-memory-full');
      return { kind: 'proof', nonceAge };
    },
    demandNonce: (jkt) => void demanded.set(jkt, true),
  };
}

/** Keys are imported and remembered only when they are the token's own: a stranger fills nothing. */
function createProofKeys() {
  const headers = new LRUCache<string, KnownHeader>({
    max: keysRememberedMax,
    maxSize: keysRememberedCharactersMax,
  });
  const strangers = new LRUCache<string, number>({ max: tokensWithStrangersMax });
  return {
    known: (part: string): KnownHeader | undefined => headers.get(part),
    own(part: string, header: ProofHeader): KeyObject | undefined {
      if (header.key) return header.key;
      const key = importPublicKey(header.members);
      if (key) headers.set(part, { ...header, key }, { size: part.length });
      return key;
    },
    /** A whole and fresh proof for this token, by a key that it is not bound to: somebody else holds the token. */
    stranger(
      { tokenSha256 }: ProofRequest,
      compact: CompactProof,
      header: ProofHeader,
      whole: boolean,
    ): Reason {
      const looks = strangers.get(tokenSha256) ?? 0;
      if (!whole || looks >= strangersPerTokenMax) return reason('wrong-key');
      strangers.set(tokenSha256, looks + 1);
      const key = importPublicKey(header.members);
      const proven = key && verifies(header.algorithm, key, compact.signed, compact.signature);
      return reason('wrong-key', proven ? { presentedJkt: header.jkt } : {});
    },
  };
}

/** The three parts as they were sent, and what the signature covers. */
type CompactProof = {
  readonly header: string;
  readonly payload: string;
  readonly signed: string;
  readonly signature: Uint8Array;
};

const proofShape = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/** §4.3 (1), (2). Node joins repeated header fields with a comma, so a comma is a second proof. */
function takeApart(fields: readonly string[]): CompactProof | Reason {
  const [field, ...others] = fields;
  if (field === undefined)
    return invalid('The access token is bound to a key: a proof is needed in the DPoP header.');
  if (others.length > 0 || field.includes(',')) return invalid('There is more than one DPoP proof.');
  const parts = field.length <= proofCharactersMax ? proofShape.exec(field.trim()) : null;
  const [, header, payload, signature] = parts ?? [];
  if (!header || !payload || !signature)
    return invalid('The proof is not a well-formed JWT of acceptable size.');
  return { header, payload, signed: `${header}.${payload}`, signature: Buffer.from(signature, 'base64url') };
}

type ProofHeader = {
  readonly kind: 'header';
  readonly algorithm: SignatureAlgorithm;
  readonly members: PublicMembers;
  readonly jkt: string;
  /** Once it was imported. */
  readonly key?: KeyObject;
};
type KnownHeader = ProofHeader & { readonly key: KeyObject };

/** §4.3 (3) to (5), (7). */
function readHeader(part: string): ProofHeader | Reason {
  const header = parseJsonPart(part);
  if (!header) return invalid('The proof is not a well-formed JWT.');
  const text = refusalText(proofHeaderRules, header);
  if (text !== undefined) return invalid(text);
  const { alg, jwk } = header;
  const algorithm = algorithmOf(alg);
  const members = isJsonObject(jwk) ? publicMembers(jwk) : undefined;
  if (!algorithm || !members || !fits(members, algorithm)) {
    return invalid('The proof header has no usable public key (jwk).');
  }
  return { kind: 'header', algorithm, members, jkt: thumbprintOf(members) };
}

/**
 * base64url SHA-256 over the public members of a key, in the order and form that RFC 7638 §3 prescribes.
 *
 * @see RFC 7638 §3, RFC 8037 §2
 */
export const thumbprintOf = (members: PublicMembers): string =>
  hash('sha256', JSON.stringify(members), 'base64url');

const formText = 'The proof lacks one of jti, htm, htu, iat and ath, or has it in a wrong form.';

const invalid = (text: string): Reason => reason('invalid-proof', { text });

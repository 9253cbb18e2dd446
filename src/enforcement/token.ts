import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { IssuerSettings } from '../core/issuer.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { JsonObject, Millis } from '../core/vocabulary.ts';
import type { Clock } from './feed-types.ts';
import { createIssuerKeys, type IssuerKey, type IssuerKeys } from './jwks.ts';
import { fetchKeySet } from './jwks-fetch.ts';
import { type Reason, reason } from './refusal.ts';
import { scopesOf, textOf, tokenContext } from './token-claims.ts';
import { type CompactJws, parseCompactJws } from './token-format.ts';
import { type Binding, bindingOf, type TokenFacts, tokenRules } from './token-rules.ts';
import { algorithmOf, type Jwk, verifies } from './token-signatures.ts';

/** An access token that its issuer signed, that is meant for us and that has not expired. One object per token while it is remembered. */
export type VerifiedToken = {
  readonly kind: 'verified';
  /** base64url SHA-256 of the whole compact token: what a proof's `ath` must be. */
  readonly sha256: string;
  /** How long its signed part is. */
  readonly characters: number;
  readonly context: TokenContext;
  readonly claims: JsonObject;
  readonly binding: Binding;
  readonly scopes: readonly string[];
  readonly acr: string | undefined;
  readonly expiresAtMs: Millis;
  readonly key: IssuerKey;
  readonly keys: IssuerKeys;
};

export type TokenVerifier = {
  /** Synchronous for a token that was verified before and still stands. */
  readonly verify: (compact: string) => VerifiedToken | Reason | Promise<VerifiedToken | Reason>;
  /** Whose tokens are accepted. What was verified for an issuer whose settings changed is verified again. */
  readonly accept: (issuers: readonly IssuerSettings[]) => void;
  readonly issuers: () => readonly string[];
  /** Whether its issuer is still accepted and still lists the key that it was verified with. */
  readonly stands: (token: VerifiedToken) => boolean;
  /** The keys of this issuer are fetched at once; tokens of those it no longer lists are not taken any more. */
  readonly reloadKeys: (issuer: string) => Promise<void>;
};

/** Longer tokens are refused unread. */
const tokenCharactersMax = 8_192;
/** Verified tokens are remembered up to this number and, together, length. */
const tokensRememberedMax = 20_000;
const tokensRememberedCharactersMax = 32 * 1_024 * 1_024;

/**
 * Verifies JWT access tokens by the pinned profile of their issuer: rules first, then the key, then the signature.
 * A verified token is remembered by its SHA-256 until it expires or its key is retired.
 *
 * @see RFC 9068 §4, RFC 8725
 */
export function createTokenVerifier(options: {
  readonly audience: string;
  readonly clock: Clock;
  readonly onTrouble: (issuer: string, cause: unknown) => void;
  /** Where keys come from. Default: the issuer, over the network. */
  readonly fetchKeys?: (issuer: IssuerSettings) => Promise<readonly Jwk[]>;
}): TokenVerifier {
  const { audience, clock, fetchKeys = (issuer) => fetchKeySet(issuer) } = options;
  let accepted: ReadonlyMap<string, AcceptedIssuer> = new Map();
  const remembered = createTokenMemory(clock);

  function verifyParsed(
    jws: CompactJws,
    sha256: string,
  ): VerifiedToken | Reason | Promise<VerifiedToken | Reason> {
    const issuer = accepted.get(textOf(jws.payload, 'iss') ?? '');
    if (!issuer) return accepted.size === 0 ? noIssuerYet : reason('unknown-issuer');
    const facts = { header: jws.header, claims: jws.payload, issuer: issuer.settings, audience };
    const rule = refusedBy({ ...facts, nowSeconds: clock.nowMs() / 1_000 });
    return rule ?? verifyAndRemember(jws, sha256, issuer);
  }

  /** Keys may take seconds to come: what was true of issuer and time before is looked at again. */
  async function verifyAndRemember(jws: CompactJws, sha256: string, issuer: AcceptedIssuer) {
    const outcome = await verifySigned(jws, sha256, issuer);
    if (accepted.get(issuer.settings.url) !== issuer) return verifyParsed(jws, sha256);
    if (outcome.kind === 'reason') return outcome;
    if (outcome.expiresAtMs <= clock.nowMs()) return reason('expired-token');
    remembered.keep(outcome);
    return outcome;
  }

  return {
    verify(compact) {
      if (compact.length > tokenCharactersMax) return reason('malformed-token');
      const sha256 = hash('sha256', compact, 'base64url');
      const known = remembered.recall(sha256);
      if (known) return known;
      const jws = parseCompactJws(compact);
      return jws ? verifyParsed(jws, sha256) : reason('malformed-token');
    },
    accept(issuers) {
      const before = accepted;
      if (
        isSame(
          issuers,
          [...before.values()].map(({ settings }) => settings),
        )
      )
        return;
      accepted = new Map(
        issuers.map((settings) => [settings.url, acceptIssuer(settings, before.get(settings.url))]),
      );
      remembered.clear();
    },
    issuers: () => [...accepted.keys()],
    stands: ({ context, keys, key }) => accepted.get(context.iss)?.keys === keys && keys.stands(key),
    reloadKeys: async (issuer) => accepted.get(issuer)?.keys.reload(),
  };

  /** The key set outlives a change of settings that does not move it. */
  function acceptIssuer(settings: IssuerSettings, before: AcceptedIssuer | undefined): AcceptedIssuer {
    if (before && before.settings.jwks_uri === settings.jwks_uri) return { settings, keys: before.keys };
    const keys = createIssuerKeys({
      fetchKeys: () => fetchKeys(settings),
      clock,
      onTrouble: (cause) => options.onTrouble(settings.url, cause),
    });
    return { settings, keys };
  }
}

/** Verified tokens by their SHA-256, bounded in number and size. */
function createTokenMemory(clock: Clock) {
  const tokens = new LRUCache<string, VerifiedToken>({
    max: tokensRememberedMax,
    maxSize: tokensRememberedCharactersMax,
  });
  return {
    recall(sha256: string): VerifiedToken | undefined {
      const token = tokens.get(sha256);
      if (!token) return undefined;
      if (token.expiresAtMs > clock.nowMs() && token.keys.stands(token.key)) return token;
      tokens.delete(sha256);
      return undefined;
    },
    keep: (token: VerifiedToken) => void tokens.set(token.sha256, token, { size: token.characters }),
    clear: () => tokens.clear(),
  };
}

async function verifySigned(
  jws: CompactJws,
  sha256: string,
  issuer: AcceptedIssuer,
): Promise<VerifiedToken | Reason> {
  const { alg, kid } = jws.header;
  const algorithm = algorithmOf(alg);
  if (!algorithm) return reason('invalid-token');
  const found = await issuer.keys.find({ algorithm, kid: typeof kid === 'string' ? kid : undefined });
  if (found.kind === 'unavailable') return reason('keys-unavailable');
  if (found.kind === 'unknown' || !verifies(algorithm, found.key.object, jws.signed, jws.signature)) {
    return reason('invalid-token', { text: 'The token is not signed with a key of its issuer.' });
  }
  return verified(jws, sha256, issuer, found.key);
}

function refusedBy(facts: TokenFacts): Reason | undefined {
  const rule = tokenRules.find(({ refuses }) => refuses(facts));
  return rule && reason(rule.code, { text: rule.text });
}

/** The hub names them; until it was heard nobody's token can be judged. */
const noIssuerYet = reason('keys-unavailable', {
  text: 'It is not known yet whose tokens are accepted here.',
});

const isSame = (some: unknown, others: unknown): boolean => JSON.stringify(some) === JSON.stringify(others);

type AcceptedIssuer = { readonly settings: IssuerSettings; readonly keys: IssuerKeys };

function verified(
  jws: CompactJws,
  sha256: string,
  { settings, keys }: AcceptedIssuer,
  key: IssuerKey,
): VerifiedToken | Reason {
  const claims = jws.payload;
  const context = tokenContext(claims, settings, {
    // Of the signed part: a signature can be written in several ways and still verify, which would shake off a kill.
    tokenSha256: hash('sha256', jws.signed, 'base64url'),
  });
  if (!context) return reason('invalid-token', { text: 'The delegation (act) is malformed or too deep.' });
  return {
    kind: 'verified',
    sha256,
    characters: jws.signed.length,
    context,
    claims,
    binding: bindingOf(claims),
    scopes: scopesOf(claims),
    acr: textOf(claims, 'acr'),
    expiresAtMs: (context.exp ?? 0) * 1_000,
    key,
    keys,
  };
}

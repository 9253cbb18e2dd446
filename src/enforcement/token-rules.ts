import type { IssuerSettings } from '../core/issuer.ts';
import type { Json, JsonObject, Seconds } from '../core/vocabulary.ts';
import type { RefusalCode } from './refusal.ts';
import { hasUnreadableName } from './token-claims.ts';
import { isJsonObject, ownMember } from './token-format.ts';
import { algorithmOf } from './token-signatures.ts';

/** What the rules look at: a token taken apart whose signature is still to be checked. */
export type TokenFacts = {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly issuer: IssuerSettings;
  readonly audience: string;
  readonly nowSeconds: Seconds;
};

export type TokenRule = {
  /** Where it stands written. */
  readonly section: string;
  readonly code: RefusalCode;
  readonly text: string;
  readonly refuses: (facts: TokenFacts) => boolean;
};

/**
 * What a token must be before its signature is worth checking; the first rule that refuses is reported. No rule needs
 * a key: junk costs microseconds and fetches nothing.
 */
export const tokenRules: readonly TokenRule[] = [
  {
    section: 'RFC 7515 §4.1.11',
    code: 'invalid-token',
    text: 'The token header names extensions (crit) that are not understood.',
    refuses: ({ header }) => Object.hasOwn(header, 'crit'),
  },
  {
    section: 'RFC 8725 §3.10',
    code: 'invalid-token',
    text: 'The token header brings or points at its own key; keys come from the issuer only.',
    refuses: ({ header }) => keyCarriers.some((member) => Object.hasOwn(header, member)),
  },
  {
    section: 'RFC 8725 §3.1',
    code: 'invalid-token',
    text: 'The token is signed with an algorithm that its issuer is not configured for.',
    refuses: ({ header, issuer }) => !isAllowedAlgorithm(header['alg'], issuer),
  },
  {
    section: 'RFC 8417 §4.2, RFC 9449 §4.2',
    code: 'not-an-access-token',
    text: 'This JWT is a security event, logout, proof or other token, not an access token.',
    refuses: ({ header }) => neverAccessTokens.has(mediaType(header['typ'])),
  },
  {
    section: 'RFC 9068 §4',
    code: 'not-an-access-token',
    text: 'The token header has a typ that the profile of its issuer does not accept: see token_types of that issuer.',
    refuses: ({ header, issuer }) => !issuer.token_types.includes(mediaType(header['typ'])),
  },
  {
    section: 'RFC 8725 §3.12',
    code: 'not-an-access-token',
    text: 'The claims are those of a security event, an ID token, a refresh token or a proof, not of an access token.',
    refuses: ({ claims }) => foreignShapes.some((isForeign) => isForeign(claims)),
  },
  {
    section: 'RFC 7519 §4.1, RFC 8693 §4.1',
    code: 'invalid-token',
    text: 'A claim that names subject, client, session, key or token, its own or of an actor, is no text.',
    refuses: ({ claims, issuer }) => hasUnreadableName(claims, issuer),
  },
  {
    section: 'RFC 9068 §2.2.1',
    code: 'invalid-token',
    text: 'The token says when its user logged in (auth_time) in a way that is no time.',
    refuses: ({ claims }) => Object.hasOwn(claims, 'auth_time') && !isTime(claims['auth_time']),
  },
  {
    section: 'RFC 9068 §4',
    code: 'invalid-token',
    text: 'The token is meant for another audience.',
    refuses: ({ claims, audience }) => !includes(claims['aud'], audience),
  },
  {
    section: 'RFC 9068 §2.2',
    code: 'invalid-token',
    text: 'The token does not say when it was issued and when it expires (iat, exp).',
    refuses: ({ claims }) => !isTime(claims['iat']) || !isTime(claims['exp']),
  },
  {
    section: 'RFC 9068 §4',
    code: 'expired-token',
    text: 'The access token has expired.',
    refuses: ({ claims, nowSeconds }) => timeOf(claims['exp']) <= nowSeconds,
  },
  {
    section: 'RFC 7519 §4.1.6',
    code: 'invalid-token',
    text: 'The token claims to be issued in the future.',
    refuses: ({ claims, issuer, nowSeconds }) => timeOf(claims['iat']) > nowSeconds + issuer.skew,
  },
  {
    section: 'RFC 7519 §4.1.5',
    code: 'invalid-token',
    text: 'The token is not valid yet.',
    refuses: ({ claims, issuer, nowSeconds }) =>
      Object.hasOwn(claims, 'nbf') &&
      (!isTime(claims['nbf']) || timeOf(claims['nbf']) > nowSeconds + issuer.skew),
  },
  {
    section: 'IssuerSettings.max_token_life',
    code: 'invalid-token',
    text: 'The token lives longer than its issuer is configured for: see max_token_life of that issuer.',
    refuses: ({ claims, issuer }) => timeOf(claims['exp']) - timeOf(claims['iat']) > issuer.max_token_life,
  },
];

const keyCarriers = ['jku', 'jwk', 'x5u', 'x5c'] as const;

/** Refused even where an issuer's settings list them. */
const neverAccessTokens: ReadonlySet<string> = new Set([
  'secevent+jwt',
  'logout+jwt',
  'dpop+jwt',
  'token-introspection+jwt',
  'oauth-authz-req+jwt',
  'client-authentication+jwt',
  'statuslist+jwt',
  'id_token+jwt',
]);

/** Tokens of the same issuer, signed with the same key, that are something else. For issuers whose `typ` does not say. */
const foreignShapes: readonly ((claims: JsonObject) => boolean)[] = [
  // SET and logout token: RFC 8417 §2.2, OpenID Connect Back-Channel Logout §2.4
  (claims) => Object.hasOwn(claims, 'events'),
  // DPoP proof: RFC 9449 §4.2
  (claims) => Object.hasOwn(claims, 'htm') || Object.hasOwn(claims, 'htu'),
  // ID token: OpenID Connect Core §2, §3.1.3.6, §3.3.2.11
  (claims) => ['at_hash', 'c_hash', 's_hash'].some((claim) => Object.hasOwn(claims, claim)),
  (claims) =>
    Object.hasOwn(claims, 'nonce') && !Object.hasOwn(claims, 'scope') && !Object.hasOwn(claims, 'scp'),
  // Keycloak says it in a claim: Bearer, DPoP, ID, Refresh, Offline, Logout …; Cognito in another
  (claims) => Object.hasOwn(claims, 'typ') && claims['typ'] !== 'Bearer' && claims['typ'] !== 'DPoP',
  (claims) => Object.hasOwn(claims, 'token_use') && claims['token_use'] !== 'access',
];

/** `none` stands for a header without `typ`, as in `IssuerSettings.token_types`. @see RFC 7515 §4.1.9 */
function mediaType(typ: Json | undefined): string {
  if (typ === undefined) return 'none';
  if (typeof typ !== 'string' || typ.toLowerCase() === 'none') return '';
  return typ.toLowerCase().replace(/^application\//, '');
}

/** RFC 9864 gives `EdDSA` over Ed25519 the name `Ed25519`: who accepts one accepts the other. */
function isAllowedAlgorithm(alg: Json | undefined, issuer: IssuerSettings): boolean {
  if (typeof alg !== 'string' || !algorithmOf(alg)) return false;
  return issuer.algorithms.includes(alg) || (alg === 'Ed25519' && issuer.algorithms.includes('EdDSA'));
}

const isTime = (value: Json | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;
const timeOf = (value: Json | undefined): Seconds => (isTime(value) ? value : 0);
const includes = (value: Json | undefined, wanted: string): boolean =>
  Array.isArray(value) ? value.includes(wanted) : value === wanted;

/** Which key a proof must come by. */
export type Binding =
  | { readonly kind: 'none' }
  | { readonly kind: 'jkt'; readonly jkt: string }
  | { readonly kind: 'unsupported'; readonly text: string };

const thumbprintShape = /^[\w-]{43}$/;

/**
 * The confirmation of a token. A member that is not understood is one that is not checked, so the token is refused.
 *
 * @see RFC 7800 §3.1, RFC 9449 §6.1, RFC 8705 §3.1
 */
export function bindingOf(claims: JsonObject): Binding {
  const confirmation = ownMember(claims, 'cnf');
  if (confirmation === undefined) return { kind: 'none' };
  const members = isJsonObject(confirmation) ? Object.keys(confirmation) : [];
  if (members.includes('x5t#S256')) {
    return {
      kind: 'unsupported',
      text: 'The access token is bound to a certificate (RFC 8705), which is not checked here: one that is bound to a key by DPoP is.',
    };
  }
  const jkt = isJsonObject(confirmation) ? ownMember(confirmation, 'jkt') : undefined;
  if (members.length !== 1 || typeof jkt !== 'string' || !thumbprintShape.test(jkt)) {
    return {
      kind: 'unsupported',
      text: 'The access token is bound (cnf) in a way that is not understood here.',
    };
  }
  return { kind: 'jkt', jkt };
}

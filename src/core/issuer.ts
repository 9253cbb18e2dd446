import type { Seconds } from './vocabulary.ts';

export const issuerProfiles = ['rfc9068', 'keycloak', 'entra', 'okta', 'auth0', 'custom'] as const;
export type IssuerProfile = (typeof issuerProfiles)[number];

/** An issuer of access tokens that points accept and that signals may name. Wire form; travels to points in the feed's configuration. */
export type IssuerSettings = {
  readonly url: string;
  readonly profile: IssuerProfile;
  /** Absent: found through the issuer's metadata (RFC 8414, OpenID Connect Discovery). */
  readonly jwks_uri?: string;
  /** Accepted `typ` header values, lower case, without `application/`. */
  readonly token_types: readonly string[];
  /** JWS algorithms, asymmetric only. */
  readonly algorithms: readonly string[];
  /** Claims that name the client and the subject, in order of preference. */
  readonly client_claims: readonly string[];
  readonly subject_claims: readonly string[];
  readonly session_claims: readonly string[];
  /** Points refuse tokens without `exp` or living longer than this. */
  readonly max_token_life: Seconds;
  /** Added to a cut-off, and the most that `iat` may lie ahead. */
  readonly skew: Seconds;
  readonly longest_session: Seconds;
};

/** For issuers nobody configured. */
export const issuerDefaults = { max_token_life: 86_400, skew: 5, longest_session: 30 * 86_400 } as const;

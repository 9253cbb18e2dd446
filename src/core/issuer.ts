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

/** For issuers nobody configured, and where a setting is left out. */
export const issuerDefaults = { max_token_life: 86_400, skew: 5, longest_session: 30 * 86_400 } as const;

/** Asymmetric signatures only: with a MAC, whoever can check a token can make one (RFC 8725 §3.1). */
export const signatureAlgorithms = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
] as const;

type ProfileDefaults = Pick<
  IssuerSettings,
  'token_types' | 'algorithms' | 'client_claims' | 'subject_claims' | 'session_claims'
>;

const common = {
  algorithms: ['ES256', 'EdDSA', 'RS256', 'PS256'],
  subject_claims: ['sub'],
  session_claims: ['sid'],
};

/** How each kind of issuer says who the client is. `none` among `token_types` stands for tokens without `typ`. */
export const profileDefaults = {
  rfc9068: { ...common, token_types: ['at+jwt'], client_claims: ['client_id'] },
  keycloak: { ...common, token_types: ['at+jwt', 'jwt'], client_claims: ['azp', 'client_id'] },
  entra: { ...common, token_types: ['jwt'], client_claims: ['azp', 'appid'], subject_claims: ['oid', 'sub'] },
  okta: { ...common, token_types: ['at+jwt', 'none'], client_claims: ['cid'] },
  auth0: { ...common, token_types: ['at+jwt', 'jwt'], client_claims: ['client_id', 'azp'] },
  custom: { ...common, token_types: ['at+jwt'], client_claims: ['client_id', 'azp'] },
} as const satisfies Record<IssuerProfile, ProfileDefaults>;

import type { Static } from 'typebox';
import { algorithmNames } from '../enforcement/token-signatures.ts';
import { scopes } from '../http/caller.ts';
import type { AuthorizationServerMetadata, ProtectedResourceMetadata } from './oauth-schemas.ts';
import { clientAuthMethods } from './ports.ts';

/** Where the built-in authorization server is, below the issuer that the hub is. */
export const authorizationPath = '/oauth';
export const authorizationServerOf = (issuer: string): string => `${issuer}${authorizationPath}`;
/** Where a user's tokens are revoked, all of them. @see draft-parecki-oauth-global-token-revocation-06 §3.1 */
export const globalTokenRevocationPath = `${authorizationPath}/global-token-revocation`;
export const tokenEndpointOf = (issuer: string): string => `${authorizationServerOf(issuer)}/token`;

/** What a client can be given; `point` belongs to the tokens of points. */
export const grantableScopes = scopes.filter((scope) => scope !== 'point');

/** Public part of the path, empty where the hub has its host for itself. */
export const pathOf = (issuer: string): string => new URL(issuer).pathname.replace(/\/$/, '');

/** The well-known part goes between host and path. @see RFC 9728 §3.1 */
export const resourceMetadataUrlOf = (issuer: string): string =>
  `${new URL(issuer).origin}/.well-known/oauth-protected-resource${pathOf(issuer)}`;

/**
 * Only what there is: no authorization endpoint, hence no response types. The member is required all the same.
 *
 * @see RFC 8414 §2, RFC 9449 §5.1
 */
export const authorizationServerMetadata = (issuer: string): Static<typeof AuthorizationServerMetadata> => ({
  issuer: authorizationServerOf(issuer),
  token_endpoint: tokenEndpointOf(issuer),
  jwks_uri: `${authorizationServerOf(issuer)}/jwks`,
  scopes_supported: [...grantableScopes],
  response_types_supported: [],
  grant_types_supported: ['client_credentials'],
  token_endpoint_auth_methods_supported: [...clientAuthMethods],
  token_endpoint_auth_signing_alg_values_supported: [...assertionAlgorithms],
  dpop_signing_alg_values_supported: [...proofAlgorithms],
  global_token_revocation_endpoint: `${issuer}${globalTokenRevocationPath}`,
  global_token_revocation_endpoint_auth_methods_supported: ['Bearer', 'DPoP'],
  protected_resources: [issuer],
});

/** The scopes of shared signals and no others: clients ask for all that they find here (CAEP interoperability §2.7.2). */
export const protectedResourceMetadata = (
  issuer: string,
  trusted: readonly string[],
): Static<typeof ProtectedResourceMetadata> => ({
  resource: issuer,
  authorization_servers: [authorizationServerOf(issuer), ...trusted],
  scopes_supported: ['ssf.read', 'ssf.manage'],
  bearer_methods_supported: ['header'],
  dpop_signing_alg_values_supported: [...algorithmNames],
  resource_name: 'caep-hub',
});

/** Of client assertions (`private_key_jwt`), and of DPoP proofs at the token endpoint. */
export const assertionAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const;
export const proofAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const;

/**
 * Between host and path, as the RFCs have it, with the public path and without it (a proxy may have taken it away), and
 * behind the path, where some look.
 */
export const metadataPaths = (name: string, issuerPath: string, path: string): readonly string[] => [
  ...new Set([
    `/.well-known/${name}${issuerPath}${path}`,
    `/.well-known/${name}${path}`,
    `${path}/.well-known/${name}`,
  ]),
];

import { Type } from 'typebox';

const Texts = Type.Array(Type.String());

/** @see RFC 8414 §2, draft-parecki-oauth-global-token-revocation-06 §6 */
export const AuthorizationServerMetadata = Type.Object({
  issuer: Type.String({ examples: ['https://hub.example/oauth'] }),
  token_endpoint: Type.String({ examples: ['https://hub.example/oauth/token'] }),
  jwks_uri: Type.String({ examples: ['https://hub.example/oauth/jwks'] }),
  scopes_supported: Texts,
  response_types_supported: Texts,
  grant_types_supported: Texts,
  token_endpoint_auth_methods_supported: Texts,
  token_endpoint_auth_signing_alg_values_supported: Texts,
  dpop_signing_alg_values_supported: Texts,
  global_token_revocation_endpoint: Type.String({
    examples: ['https://hub.example/oauth/global-token-revocation'],
  }),
  global_token_revocation_endpoint_auth_methods_supported: Texts,
  protected_resources: Texts,
});

/** @see RFC 9728 §2 */
export const ProtectedResourceMetadata = Type.Object({
  resource: Type.String({ examples: ['https://hub.example'] }),
  authorization_servers: Texts,
  scopes_supported: Texts,
  bearer_methods_supported: Texts,
  dpop_signing_alg_values_supported: Texts,
  resource_name: Type.String(),
});

/** @see RFC 7517 §5 */
export const KeySet = Type.Object({
  keys: Type.Array(Type.Object({ kty: Type.String() }, { additionalProperties: true })),
});

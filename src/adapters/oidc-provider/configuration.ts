import type {
  AccessToken,
  ClientCredentials,
  Configuration,
  errors as Errors,
  JWTStructured,
  ResourceServer,
} from 'oidc-provider';
import {
  assertionAlgorithms,
  authorizationServerOf,
  grantableScopes,
  proofAlgorithms,
} from '../../authorization/metadata.ts';
import { clientAuthMethods } from '../../authorization/ports.ts';
import { accessTokenLifeSeconds } from '../../authorization/access-token-settings.ts';
import type { ClientDirectory } from '../../authorization/client-directory.ts';
import type { AuthorizationKey, UsedProofs } from '../../authorization/ports.ts';
import { accessTokenAlgorithm } from '../../core/access-token-algorithm.ts';
import type { TokenContext } from '../../core/token-context.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { Refusal } from '../../http/authenticate.ts';

export type TokenEndpointOptions = {
  /** Who the hub is: the audience of the tokens, and what the authorization server's own URL begins with. */
  readonly issuer: string;
  readonly key: AuthorizationKey;
  readonly clients: ClientDirectory;
  readonly used: UsedProofs;
  /** 32 bytes, the same on every node. */
  readonly nonceSecret: Buffer;
  /** Whom a denial keeps from getting this token now. */
  readonly denied: (context: TokenContext) => Promise<'client' | 'key' | undefined>;
  readonly nowMs: () => Millis;
  readonly noteRefusal: (refusal: Refusal) => void;
  /** The storage failed: the same request may succeed later. */
  readonly isPassing: (error: unknown) => boolean;
  readonly onError: (error: unknown) => void;
};

/** A client assertion that lives longer is refused: it must be remembered until it expires. */
const assertionLifeSecondsMax = 3_600;

const off = { enabled: false } as const;

/** Client credentials and nothing else: whatever the library turns on by itself is turned off. */
export function configurationOf(options: TokenEndpointOptions, errors: typeof Errors): Configuration {
  const { issuer, key, nonceSecret } = options;
  return {
    jwks: { keys: [{ ...key.privateJwk }] },
    scopes: grantableScopes,
    responseTypes: [],
    claims: {},
    clientAuthMethods: [...clientAuthMethods],
    clientDefaults: {
      id_token_signed_response_alg: accessTokenAlgorithm,
      grant_types: ['client_credentials'],
      response_types: [],
    },
    enabledJWA: {
      clientAuthSigningAlgValues: assertionAlgorithms,
      dPoPSigningAlgValues: proofAlgorithms,
    },
    ttl: { ClientCredentials: accessTokenLifeSeconds },
    clientBasedCORS: () => false,
    renderError(ctx, out) {
      ctx.body = out;
    },
    assertJwtClientAuthClaimsAndHeader(_ctx, { exp }) {
      const isBounded = typeof exp === 'number' && exp <= options.nowMs() / 1_000 + assertionLifeSecondsMax;
      if (!isBounded) throw new errors.InvalidClientAuth('the assertion lives longer than an hour');
    },
    features: {
      devInteractions: off,
      userinfo: off,
      rpInitiatedLogout: off,
      pushedAuthorizationRequests: off,
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret, requireNonce: () => false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client) => {
          // RFC 6749 §3.3: who asks for no scope gets all that it may have.
          if (ctx.oidc.params !== undefined) ctx.oidc.params['scope'] ??= client.scope;
          return issuer;
        },
        getResourceServerInfo: (_ctx, resource) => {
          if (resource !== issuer) throw new errors.InvalidTarget();
          return hubAsResource(issuer);
        },
      },
    },
    formats: { customizers: { jwt: (_ctx, token, parts) => refuseDenied(token, parts, options, errors) } },
  };
}

const hubAsResource = (issuer: string): ResourceServer => ({
  scope: grantableScopes.join(' '),
  audience: issuer,
  accessTokenFormat: 'jwt',
  accessTokenTTL: accessTokenLifeSeconds,
  jwt: { sign: { alg: accessTokenAlgorithm } },
});

/** The last thing before a token is signed: whoever is denied gets none, or it would be dead on arrival. */
async function refuseDenied(
  token: AccessToken | ClientCredentials,
  { payload }: JWTStructured,
  { denied, issuer }: TokenEndpointOptions,
  errors: typeof Errors,
): Promise<void> {
  const { clientId: client_id = '' } = token;
  const { iat } = payload;
  const what = await denied({
    iss: authorizationServerOf(issuer),
    sub: client_id,
    client_id,
    ...(typeof token['jkt'] === 'string' ? { jkt: token['jkt'] } : {}),
    ...(typeof iat === 'number' ? { iat } : {}),
  });
  if (what === undefined) return;
  const refusal =
    what === 'client'
      ? new errors.InvalidClientAuth('the client is revoked')
      : new errors.AccessDenied('the key of the DPoP proof is revoked');
  denials.add(refusal);
  throw refusal;
}

const denials = new WeakSet<Error>();

/** The client proved who it is, and was denied. */
export const isDenial = (error: Error): boolean => denials.has(error);

/**
 * The demo's authorization server: DPoP-bound JWT access tokens (RFC 9068) of fifteen minutes for three clients, and
 * token exchange (RFC 8693), by which a sub-agent gets a token of its own key to act for its parent.
 */
import { createServer } from 'node:http';
import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  type JWTPayload,
} from 'jose';
import {
  errors,
  Provider,
  type Configuration,
  type KoaContextWithOIDC,
  type ResourceServer,
} from 'oidc-provider';
import { say, settingsFromParent } from './child.ts';
import { audience, clientNames, scope, secretOf, tokenLifeSeconds, type LoginSettings } from './contract.ts';

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const exchangeParameters = ['subject_token', 'subject_token_type'];
const proofAgeMaxSeconds = 60;

const resourceServer: ResourceServer = {
  scope,
  audience,
  accessTokenFormat: 'jwt',
  accessTokenTTL: tokenLifeSeconds,
  jwt: { sign: { alg: 'ES256' } },
};

/** What a token in the making says about who acts. */
const actors = new WeakMap<KoaContextWithOIDC, { readonly act: object }>();

settingsFromParent<LoginSettings>('login');
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the login server has no TCP address');
  void serve(`http://127.0.0.1:${address.port}`);
});

async function serve(issuer: string): Promise<void> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: 'login-1', alg: 'ES256', use: 'sig' };
  const provider = new Provider(issuer, configuration(jwk));
  provider.registerGrantType(
    exchangeGrant,
    async (ctx) => {
      const verified = jwtVerify(String(ctx.oidc.params['subject_token']), publicKey, {
        issuer,
        audience,
        typ: 'at+jwt',
      });
      const { payload } = await verified.catch(() => {
        throw new errors.InvalidGrant('subject_token is not a valid access token of this server');
      });
      await exchange(provider, ctx, payload);
    },
    exchangeParameters,
  );
  const handle = provider.callback();
  server.on('request', (request, response) => void handle(request, response));
  say({ kind: 'listening', origin: issuer });
}

function configuration(jwk: object): Configuration {
  return {
    jwks: { keys: [jwk] },
    clients: clientNames.map((client_id) => ({
      client_id,
      client_secret: secretOf(client_id),
      grant_types: ['client_credentials', exchangeGrant],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256',
    })),
    scopes: scope.split(' '),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => resourceServer,
      },
    },
    extraTokenClaims: (ctx) => actors.get(ctx),
  };
}

/**
 * The caller is the sub-agent: its client, its key. The token's subject stays the parent it acts for.
 *
 * @see RFC 8693 §2.1, §4.1
 */
async function exchange(provider: Provider, ctx: KoaContextWithOIDC, parent: JWTPayload): Promise<void> {
  const { client, params } = ctx.oidc;
  if (
    client === undefined ||
    params?.['subject_token_type'] !== accessTokenType ||
    parent.sub === undefined
  ) {
    throw new errors.InvalidRequest('subject_token must be an access token with a subject');
  }
  const token = new provider.AccessToken({
    accountId: parent.sub,
    client,
    gty: exchangeGrant,
    grantId: parent.jti ?? '',
    scope: 'charges:read',
  });
  token.resourceServer = new provider.ResourceServer(audience, resourceServer);
  token.setThumbprint('jkt', await provedKey(ctx));
  const earlier = parent['act'] === undefined ? {} : { act: parent['act'] };
  actors.set(ctx, { act: { sub: client.clientId, client_id: client.clientId, ...earlier } });
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: accessTokenType,
    token_type: 'DPoP',
    expires_in: token.expiration,
    scope: token.scope,
  };
}

/** The thumbprint of the key that the caller proved to hold. @see RFC 9449 §4.3 */
async function provedKey(ctx: KoaContextWithOIDC): Promise<string> {
  try {
    const { payload, protectedHeader } = await jwtVerify(ctx.get('DPoP'), EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
      maxTokenAge: proofAgeMaxSeconds,
    });
    if (payload['htm'] !== 'POST' || payload['htu'] !== ctx.oidc.urlFor('token'))
      throw new Error('made for elsewhere');
    if (protectedHeader.jwk === undefined) throw new Error('without a key');
    return await calculateJwkThumbprint(protectedHeader.jwk);
  } catch (cause) {
    throw new errors.InvalidDpopProof('the DPoP proof does not hold', { cause });
  }
}

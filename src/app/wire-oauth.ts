import { storageProblem } from '../adapters/postgres/database-failures.ts';
import { createAuthorizationKeyStore } from '../adapters/postgres/authorization-key-store.ts';
import { createClientStore } from '../adapters/postgres/client-store.ts';
import { createUsedProofs } from '../adapters/postgres/used-proofs.ts';
import { createTokenEndpoint } from '../adapters/oidc-provider/token-endpoint.ts';
import { createSealer } from '../adapters/system/sealer.ts';
import { createAccessTokens } from '../authorization/access-tokens.ts';
import { makeAuthorizationKey } from '../authorization/authorization-key.ts';
import { createClientDirectory } from '../authorization/client-directory.ts';
import { whatIsDenied } from '../authorization/own-revocations.ts';
import type { Revocations, TokenEndpoint } from '../authorization/ports.ts';
import { clientRoutes, oauthRoutes } from '../authorization/routes.ts';
import type { HubServer } from '../http/server.ts';
import type { Points } from '../points/points.ts';
import type { Issuer } from './issuer.ts';
import { warn, type Hub } from './platform.ts';
import type { Tokens } from './wire-tokens.ts';

type OauthNeeds = { readonly issuer: Issuer; readonly points: Points; readonly tokens: Tokens };

export type Oauth = Awaited<ReturnType<typeof wireOauth>>;

/** Who may call with access tokens, and the authorization server that gives them. */
export async function wireOauth(server: HubServer, hub: Hub, { issuer, points, tokens }: OauthNeeds) {
  const { database, announcer, clock, closers, deriveKey } = hub;
  const { nowMs } = clock;
  const sealer = createSealer(deriveKey('authorization-keys'));
  const keys = createAuthorizationKeyStore({ database, sealer });
  const key = await keys.readOrCreate(makeAuthorizationKey, nowMs());
  const store = createClientStore({ database, announcer });
  const used = createUsedProofs({ database, nowMs });
  const parts = {
    issuer: issuer.url,
    publicJwk: key.publicJwk,
    clients: createClientDirectory({ store, announcer }),
    revocations: revocationsOf(points),
    used,
  };
  const accessTokens = createAccessTokens({
    ...parts,
    announcer,
    deriveKey,
    clock,
    onError: warn(hub.log, 'the clients of open feeds were not looked at'),
  });
  closers.add('access tokens', () => accessTokens.close());
  await server.register(clientRoutes, { store, nowMs, issuer: issuer.url });
  await server.register(oauthRoutes, {
    issuer: issuer.url,
    issuerPath: issuer.path,
    publicJwk: key.publicJwk,
    tokenEndpoint: whenFirstAsked(() =>
      createTokenEndpoint({
        ...parts,
        issuer: issuer.url(),
        key,
        nonceSecret: deriveKey('oauth-dpop-nonces'),
        nowMs,
        async denied(context) {
          await parts.revocations.catchUp();
          return whatIsDenied(parts.revocations, context, Math.floor(nowMs() / 1_000));
        },
        noteRefusal: tokens.refusals.note,
        isPassing: (error) => storageProblem(error) !== undefined,
        onError: (error) =>
          hub.log.error({ err: error }, 'the token endpoint failed by a mistake of the hub'),
      }),
    ),
  });
  return { accessTokens, used };
}

/** Its URLs are known as soon as the hub listens. */
function whenFirstAsked(make: () => Promise<TokenEndpoint>): TokenEndpoint {
  let made: Promise<TokenEndpoint> | undefined;
  return async (request, response) => (await (made ??= make()))(request, response);
}

/** What cannot be read now is answered from what is known, as a point does. */
const revocationsOf = ({ memory }: Points): Revocations => ({
  lookup: memory.check,
  catchUp: () => memory.refresh().catch(() => undefined),
  onNews(listener) {
    memory.onNews(listener);
    memory.onReset(listener);
  },
});

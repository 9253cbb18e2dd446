import { storageProblem } from '../adapters/postgres/database-failures.ts';
import { createCallerIssuerStore } from '../adapters/postgres/caller-issuer-store.ts';
import { createClientStore } from '../adapters/postgres/client-store.ts';
import { createUsedProofs } from '../adapters/postgres/used-proofs.ts';
import { createTokenEndpoint } from '../adapters/oidc-provider/token-endpoint.ts';
import { followRows } from '../adapters/system/follow-rows.ts';
import { newId } from '../adapters/system/ids.ts';
import { createAccessTokens } from '../authorization/access-tokens.ts';
import { authorizationServerOf } from '../authorization/metadata.ts';
import { createClientDirectory } from '../authorization/client-directory.ts';
import { underAllNames, whatIsDenied } from '../authorization/own-revocations.ts';
import type {
  AuthorizationKey,
  AuthorizationKeys,
  Revocations,
  TokenEndpoint,
} from '../authorization/ports.ts';
import { callerIssuerRoutes, clientRoutes } from '../authorization/client-routes.ts';
import { createFetchIssuerKeys } from '../authorization/fetch-issuer-keys.ts';
import { oauthRoutes } from '../authorization/oauth-routes.ts';
import { accessTokenAlgorithm } from '../core/access-token-algorithm.ts';
import type { IssuerSettings } from '../core/issuer.ts';
import type { HubServer } from '../http/server.ts';
import type { FollowedRows } from '../pipeline/ports.ts';
import type { Points } from '../points/points.ts';
import { warn, type Hub } from './platform.ts';
import type { Keys } from './wire-keys.ts';
import type { Tokens } from './wire-tokens.ts';

type OauthNeeds = {
  readonly points: Points;
  readonly tokens: Tokens;
  readonly keys: Keys['accessTokens'];
};

export type Oauth = Awaited<ReturnType<typeof wireOauth>>;

/** Who may call with access tokens, and the authorization server that gives them. */
export async function wireOauth(server: HubServer, hub: Hub, { points, tokens, keys: ring }: OauthNeeds) {
  const { database, announcer, clock, closers, deriveKey, publicUrl } = hub;
  const { nowMs } = clock;
  const keys = keysOf(ring);
  const store = createClientStore({ database, announcer, maker: { issuer: publicUrl.get, newId } });
  const used = createUsedProofs({ database, nowMs });
  const onError = (error: unknown): void =>
    hub.log.error({ err: error }, 'the token endpoint failed by a mistake of the hub');
  const issuers = await wireCallerIssuers(server, hub);
  const parts = {
    issuer: publicUrl.get,
    clients: createClientDirectory({ store, announcer }),
    revocations: revocationsOf(points, publicUrl),
    used,
  };
  const accessTokens = createAccessTokens({
    ...parts,
    issuers,
    keys,
    fetchIssuerKeys: createFetchIssuerKeys(hub.fetch),
    onNoKeys: (of, err) =>
      hub.log.warn({ err, issuer: of }, 'the keys of an issuer of callers cannot be had'),
    announcer,
    deriveKey,
    clock,
    onError: warn(hub.log, 'the clients of open feeds were not looked at'),
  });
  closers.add('access tokens', () => accessTokens.close());
  await server.register(clientRoutes, { store, nowMs, issuer: publicUrl.get });
  await server.register(oauthRoutes, {
    issuer: publicUrl.get,
    issuerPath: publicUrl.path,
    keys: keys.jwks,
    trusted: () => issuers.all().map(({ url }) => url),
    tokenEndpoint: byCurrentKey(keys, onError, (key) =>
      createTokenEndpoint({
        ...parts,
        issuer: publicUrl.get(),
        key,
        nonceSecret: deriveKey('oauth-dpop-nonces'),
        nowMs,
        async denied(context) {
          await parts.revocations.catchUp();
          return whatIsDenied(parts.revocations, context, Math.floor(nowMs() / 1_000));
        },
        noteRefusal: tokens.refusals.note,
        isPassing: (error) => storageProblem(error) !== undefined,
        onError,
      }),
    ),
  });
  return { accessTokens, used, clients: parts.clients };
}

async function wireCallerIssuers(server: HubServer, hub: Hub): Promise<FollowedRows<IssuerSettings>> {
  const { database, announcer, clock, closers, log, publicUrl } = hub;
  const store = createCallerIssuerStore({ database, announcer });
  const onError = warn(log, 'the issuers of callers were not read again');
  const issuers = await followRows({ list: store.list, topics: ['tokens'], announcer, onError });
  closers.add('issuers of callers', () => issuers.close());
  await server.register(callerIssuerRoutes, {
    store,
    nowMs: clock.nowMs,
    issuer: publicUrl.get,
    catchUp: () => issuers.refresh().catch(onError),
  });
  return issuers;
}

const keysOf = (ring: Keys['accessTokens']): AuthorizationKeys => ({
  async current() {
    const { kid, sign: privateJwk } = await ring.current(accessTokenAlgorithm);
    return { kid, privateJwk };
  },
  jwks: ring.jwks,
  onChange: ring.onRead,
});

/**
 * Its URLs are known as soon as the hub listens, and it is made anew for another key. What fails is answered, and tried
 * again with the next request.
 */
function byCurrentKey(
  keys: Pick<AuthorizationKeys, 'current'>,
  onError: (error: unknown) => void,
  make: (key: AuthorizationKey) => Promise<TokenEndpoint>,
): TokenEndpoint {
  let made: { readonly kid: string; readonly endpoint: Promise<TokenEndpoint> } | undefined;
  return async (request, response) => {
    try {
      const key = await keys.current();
      if (made?.kid !== key.kid) made = { kid: key.kid, endpoint: make(key) };
      const answer = await made.endpoint;
      await answer(request, response);
    } catch (error) {
      made = undefined;
      onError(error);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
      response.end('{"error":"server_error"}');
    }
  };
}

/** What cannot be read now is answered from what is known, as a point does. */
const revocationsOf = ({ memory }: Points, publicUrl: Hub['publicUrl']): Revocations => ({
  lookup: underAllNames(memory.check, () => ({
    now: authorizationServerOf(publicUrl.get()),
    before: publicUrl.formerly().map(authorizationServerOf),
  })),
  catchUp: () => memory.refresh().catch(() => undefined),
  onNews(listener) {
    memory.onNews(listener);
    memory.onReset(listener);
  },
});

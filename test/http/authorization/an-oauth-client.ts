import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import type { Hub } from '../../support/a-hub.ts';

/** What `POST /v1/clients` answered. */
export type MadeClient = {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly token_endpoint: string;
};

const insecure = { [oauth.allowInsecureRequests]: true } as const;

export async function makeClient(hub: Hub, body: object): Promise<MadeClient> {
  const made = await hub.call('POST', '/v1/clients', { body });
  if (made.status !== 201) throw new Error(made.text);
  return made.body as unknown as MadeClient;
}

/** As a stranger finds it, who knows the API's URL and nothing else: RFC 9728, then RFC 8414. */
export async function discover(hub: Hub) {
  const api = new URL(hub.issuer);
  const resource = await oauth.processResourceDiscoveryResponse(
    api,
    await oauth.resourceDiscoveryRequest(api, insecure),
  );
  const [issuer = ''] = resource.authorization_servers ?? [];
  const url = new URL(issuer);
  const answer = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure });
  return { resource, server: await oauth.processDiscoveryResponse(url, answer) };
}

export type Wanted = {
  readonly scope?: string;
  readonly auth?: oauth.ClientAuth;
  readonly dpop?: oauth.DPoPHandle;
};

/** An access token, got and checked as a stranger's library does. Rejects with what the endpoint answered. */
export async function getToken(hub: Hub, made: MadeClient, { scope, auth, dpop }: Wanted = {}) {
  const { server } = await discover(hub);
  const client = { client_id: made.client_id };
  const answer = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    auth ?? oauth.ClientSecretBasic(made.client_secret ?? ''),
    scope === undefined ? {} : { scope },
    { ...insecure, ...(dpop === undefined ? {} : { DPoP: dpop }) },
  );
  return oauth.processClientCredentialsResponse(server, client, answer);
}

/** The status and `error` of a request for a token that is refused. */
export async function refusedToken(hub: Hub, made: MadeClient, wanted: Wanted = {}): Promise<string> {
  try {
    await getToken(hub, made, wanted);
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return `${error.status} ${error.error}`;
    if (error instanceof oauth.WWWAuthenticateChallengeError) {
      const body = (await error.response.json()) as { error: string };
      return `${error.status} ${body.error}`;
    }
    throw error;
  }
  return 'a token';
}

/** A key pair for DPoP, and what proves it. */
export async function aDpopKey() {
  const pair = await oauth.generateKeyPair('ES256');
  const handle = oauth.DPoP({}, pair);
  return { pair, handle, jkt: await handle.calculateThumbprint() };
}

/** A request with a token that is bound to a key. Follows a demand for a nonce once. */
export async function callBound(hub: Hub, path: string, token: string, dpop: oauth.DPoPHandle) {
  const url = new URL(path, hub.issuer);
  const ask = () =>
    oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, { ...insecure, DPoP: dpop });
  try {
    return (await ask()).status;
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error;
    throw error;
  }
}

/** A key pair for `private_key_jwt`: the JWK for the registration, and the key that signs. */
export function anAssertionKey(kid: string): { readonly jwk: object; readonly privateKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' }, privateKey };
}

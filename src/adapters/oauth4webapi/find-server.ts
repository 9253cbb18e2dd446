import {
  type AuthorizationServer,
  discoveryRequest,
  processDiscoveryResponse,
  processResourceDiscoveryResponse,
  resourceDiscoveryRequest,
} from 'oauth4webapi';
import type { Called, CallFailure } from '../../receiver/ports.ts';
import { failed } from '../ssf/call.ts';
import { readUrl } from '../ssf/read-members.ts';
import { type Outgoing, overSafeFetch } from './over-safe-fetch.ts';

export type FindServer = Outgoing & {
  readonly tokenEndpoint?: string;
  readonly authorizationServer?: string;
  /** Identifiers of the protected resource that its metadata may have, the likeliest first. */
  readonly findResources: () => Promise<readonly string[]>;
};

/** Where tokens are got: as it was set, or from the server's metadata, or from what the resource says of its servers. */
export async function findServer(options: FindServer): Promise<Called<AuthorizationServer>> {
  const { tokenEndpoint, authorizationServer } = options;
  if (tokenEndpoint !== undefined) {
    const server = { issuer: authorizationServer ?? tokenEndpoint, token_endpoint: tokenEndpoint };
    return { kind: 'done', value: server };
  }
  if (authorizationServer !== undefined) return readServer(authorizationServer, options);
  const named = await findIssuer(options);
  return named.kind === 'failed' ? named : readServer(named.value, options);
}

/** Where RFC 8414 has it, and where nothing is there, where OpenID Connect has it. */
async function readServer(issuer: string, outgoing: Outgoing): Promise<Called<AuthorizationServer>> {
  const url = readUrl(issuer);
  if (url === undefined)
    return failed('authorize', 'The issuer of the authorization server is no URL with https.');
  const failures: CallFailure[] = [];
  for (const algorithm of ['oauth2', 'oidc'] as const) {
    const endpoint = 'metadata of the authorization server';
    const read = await overSafeFetch({ ...outgoing, endpoint }, async (library) =>
      processDiscoveryResponse(url, await discoveryRequest(url, { ...library, algorithm })),
    );
    // The library compares URLs, RFC 8414 §3.3 compares texts.
    if (read.kind === 'done' && read.value.issuer !== issuer) {
      return failed('authorize', `The ${endpoint} is that of another issuer.`);
    }
    if (read.kind === 'done' || read.status === 200) return read;
    failures.push(read);
  }
  return mostTelling(failures);
}

/** The first server that the resource names. @see RFC 9728 §3.3 */
async function findIssuer({ findResources, ...outgoing }: FindServer): Promise<Called<string>> {
  const failures: CallFailure[] = [];
  for (const resource of await findResources()) {
    const url = readUrl(resource);
    if (url === undefined) continue;
    const endpoint = 'metadata of the protected resource';
    const read = await overSafeFetch({ ...outgoing, endpoint }, async (library) =>
      processResourceDiscoveryResponse(url, await resourceDiscoveryRequest(url, library)),
    );
    if (read.kind === 'failed') failures.push(read);
    else if (read.value.resource !== resource)
      failures.push(failed('authorize', `The ${endpoint} is of another.`));
    else {
      const servers: unknown = read.value.authorization_servers;
      const issuer: unknown = Array.isArray(servers) ? servers[0] : undefined;
      if (typeof issuer === 'string') return { kind: 'done', value: issuer };
      failures.push(failed('authorize', `The ${endpoint} names no authorization server.`));
    }
  }
  const { text, ...failure } = mostTelling(failures);
  return { ...failure, text: `${text} Set the token endpoint, or the authorization server.` };
}

/** That there is nothing says less than what is wrong with something. */
const mostTelling = (failures: readonly CallFailure[]): CallFailure =>
  failures.find(({ status }) => status !== 404) ??
  failures[0] ??
  failed('authorize', 'Nothing says which authorization server gives tokens.');

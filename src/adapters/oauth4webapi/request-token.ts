import {
  type AuthorizationServer,
  type ClientAuth,
  clientCredentialsGrantRequest,
  ClientSecretBasic,
  ClientSecretPost,
  modifyAssertion,
  PrivateKeyJwt,
  processClientCredentialsResponse,
} from 'oauth4webapi';
import type { Called, ClientAuthentication, UpstreamCredentials } from '../../receiver/ports.ts';
import { importPrivateJwk } from '../jose/private-jwk.ts';
import { failed } from '../ssf/call.ts';
import type { AccessToken } from '../ssf/token-keeper.ts';
import { type FindServer, findServer } from './find-server.ts';
import { type Outgoing, overSafeFetch } from './over-safe-fetch.ts';

type Client = Extract<UpstreamCredentials, { readonly kind: 'client' }>;

export type RequestTokenOptions = Outgoing &
  Pick<FindServer, 'findResources'> & { readonly credentials: Client };

const endpoint = 'token endpoint';

/**
 * Asks for a token by client credentials. The authorization server is looked for once, and again after a failure.
 *
 * @see RFC 6749 §4.4, RFC 7523 §2.2, RFC 8707 §2
 */
export function createRequestToken({
  credentials,
  findResources,
  ...outgoing
}: RequestTokenOptions): () => Promise<Called<AccessToken>> {
  let known: AuthorizationServer | undefined;
  let prove: Promise<ClientAuth> | undefined;
  return async () => {
    const { tokenEndpoint, authorizationServer } = credentials;
    const found =
      known === undefined
        ? await findServer({
            ...outgoing,
            findResources,
            ...(tokenEndpoint === undefined ? {} : { tokenEndpoint }),
            ...(authorizationServer === undefined ? {} : { authorizationServer }),
          })
        : ({ kind: 'done', value: known } as const);
    if (found.kind === 'failed') return found;
    prove ??= proofOf(credentials);
    const got = await requestAt(found.value, { credentials, prove: await prove, outgoing });
    known = got.kind === 'done' ? found.value : undefined;
    return got;
  };
}

async function requestAt(
  server: AuthorizationServer,
  {
    credentials: { clientId, scope, resource },
    prove,
    outgoing,
  }: { readonly credentials: Client; readonly prove: ClientAuth; readonly outgoing: Outgoing },
): Promise<Called<AccessToken>> {
  const client = { client_id: clientId };
  const parameters = {
    ...(scope === undefined ? {} : { scope }),
    ...(resource === undefined ? {} : { resource }),
  };
  const got = await overSafeFetch({ ...outgoing, endpoint }, async (library) =>
    processClientCredentialsResponse(
      server,
      client,
      await clientCredentialsGrantRequest(server, client, prove, parameters, library),
    ),
  );
  if (got.kind === 'failed') return got;
  const { access_token: token, token_type: type, expires_in: expiresInSeconds } = got.value;
  if (type !== 'bearer') {
    return failed(
      'authorize',
      `The ${endpoint} gave a token that is bound to a key: let it give bearer tokens.`,
    );
  }
  return { kind: 'done', value: { token, ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }) } };
}

async function proofOf(authentication: ClientAuthentication): Promise<ClientAuth> {
  if (authentication.method !== 'private_key_jwt') {
    const { method, clientSecret } = authentication;
    return method === 'client_secret_basic'
      ? ClientSecretBasic(clientSecret)
      : ClientSecretPost(clientSecret);
  }
  const { key, kid, alg } = await importPrivateJwk(authentication.privateJwk);
  // The library names Ed25519 by its newer name, which few servers know yet.
  return PrivateKeyJwt({ key, kid }, { [modifyAssertion]: (header) => void Object.assign(header, { alg }) });
}

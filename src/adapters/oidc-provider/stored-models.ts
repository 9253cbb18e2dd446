import type { Adapter, AdapterFactory, ClientMetadata } from 'oidc-provider';
import type { ClientDirectory } from '../../authorization/client-directory.ts';
import type { OwnClient, SpeakingClient, UsedProofs } from '../../authorization/ports.ts';
import { clientId, type Millis } from '../../core/vocabulary.ts';

/**
 * A proof may lie 300 s ahead and is then good for 300 s more: the library would forget it half-way.
 *
 * @see RFC 9449 §11.1
 */
const proofRememberedSeconds = 600;

/** What the library stores for client credentials: nothing but clients, which it reads, and what was used once. */
export function storedModels(options: {
  readonly clients: ClientDirectory;
  readonly used: UsedProofs;
  readonly nowMs: () => Millis;
}): AdapterFactory {
  const { clients, used, nowMs } = options;
  const after = (seconds: number): Millis => nowMs() + seconds * 1_000;
  const models: Readonly<Record<string, Partial<Adapter>>> = {
    Client: {
      async find(id) {
        const client = await clients.findLiving(clientId(id));
        return client?.kind === 'own' ? toMetadata(client) : undefined;
      },
    },
    ReplayDetection: {
      /** Looking is claiming: of two that come at once, one finds nothing and the other what the first has claimed. */
      async find(id) {
        const isNew = await used.claim(`oauth ${id}`, after(proofRememberedSeconds));
        if (isNew) return undefined;
        const iat = Math.floor(nowMs() / 1_000);
        return { jti: id, kind: 'ReplayDetection', iat, exp: iat + proofRememberedSeconds };
      },
      upsert: (id, _payload, expiresIn = 0) =>
        used.keep(`oauth ${id}`, after(Math.max(expiresIn, proofRememberedSeconds))),
    },
  };
  return (name) => ({ ...nothing(name), ...models[name] });
}

/** Client credentials need none of it: whoever calls it nevertheless has turned on what must stay off. */
function nothing(name: string): Adapter {
  const refuse = async (): Promise<never> => {
    throw new Error(`the authorization server keeps no ${name}`);
  };
  return {
    upsert: refuse,
    find: refuse,
    findByUserCode: refuse,
    findByUid: refuse,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: refuse,
  };
}

/** `client_secret` is the hash of the secret: what is presented is hashed before it is compared. */
const toMetadata = (client: SpeakingClient & OwnClient): ClientMetadata & { client_id: string } => ({
  client_id: client.id,
  ...(client.secretHash === undefined
    ? {}
    : { client_secret: Buffer.from(client.secretHash).toString('hex') }),
  ...(client.jwks === undefined ? {} : { jwks: { keys: client.jwks.keys.map((key) => ({ ...key })) } }),
  token_endpoint_auth_method: client.authMethod,
  scope: client.scopes.join(' '),
  dpop_bound_access_tokens: client.dpopBound,
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
});

import { Problem, type FieldError } from '../core/problem.ts';
import { clientId, nameShape, sourceId, type Millis } from '../core/vocabulary.ts';
import { importPublicKey, publicMembers } from '../enforcement/token-signatures.ts';
import { may, type Caller, type Scope } from '../http/caller.ts';
import type { Client, ClientAuthMethod, ClientJwks, ClientStore, Jwk } from './ports.ts';
import { hashSecret, makeTokenSecret } from './token-secret.ts';

export type ClientRequest = {
  readonly clientId: string;
  readonly description?: string;
  readonly scopes: readonly Scope[];
  readonly authMethod: ClientAuthMethod;
  readonly jwks?: { readonly keys: readonly Jwk[] };
  readonly dpopBound?: boolean;
  readonly source?: string;
};

/**
 * Makes a client that is no mightier than who asks for it.
 *
 * @returns the secret, which is known here for the only time; none with `private_key_jwt`.
 * @throws Problem `insufficient-scope`, `invalid-request`, `conflict`
 */
export async function makeClient(
  request: ClientRequest,
  caller: Caller,
  correlationId: string,
  { store, nowMs }: { readonly store: Pick<ClientStore, 'create'>; readonly nowMs: () => Millis },
): Promise<{ readonly client: Client; readonly secret?: string }> {
  const errors = clientErrors(request);
  if (errors.length > 0) throw new Problem('invalid-request', 'The client cannot be made so.', { errors });
  refuseMightier(request, caller);
  const secret = request.authMethod === 'private_key_jwt' ? undefined : makeTokenSecret();
  const client: Client = {
    id: clientId(request.clientId),
    ...(request.description === undefined ? {} : { description: request.description }),
    scopes: [...new Set(request.scopes)].sort(),
    authMethod: request.authMethod,
    ...(request.jwks === undefined ? {} : { jwks: publicKeysOf(request.jwks) }),
    dpopBound: request.dpopBound ?? false,
    sourceId: sourceId(request.source ?? request.clientId),
    createdAtMs: nowMs(),
  };
  await store.create(
    { ...client, ...(secret === undefined ? {} : { secretHash: hashSecret(secret) }) },
    { actor: caller.actor, atMs: client.createdAtMs, correlationId },
  );
  return { client, ...(secret === undefined ? {} : { secret }) };
}

/** Nobody grants a scope they lack. */
function refuseMightier({ scopes }: ClientRequest, caller: Caller): void {
  const lacking = scopes.filter((scope) => !may(caller, scope));
  if (lacking.length === 0) return;
  throw new Problem('insufficient-scope', `Your token lacks ${lacking.join(', ')}, which it would grant.`, {
    hint: 'Ask somebody whose token has that scope.',
    extra: { scope: lacking.join(' ') },
  });
}

function clientErrors(request: ClientRequest): readonly FieldError[] {
  const { authMethod, jwks, scopes } = request;
  const names = [
    ['/client_id', request.clientId],
    ['/source', request.source],
  ] as const;
  const byKey = authMethod === 'private_key_jwt';
  return [
    ...names.flatMap(([path, name]) =>
      name === undefined || nameShape.test(name)
        ? []
        : [{ path, message: 'must be 1 to 64 letters, digits, ".", "_" or "-"' }],
    ),
    ...(scopes.includes('point')
      ? [{ path: '/scopes', message: 'must leave out point: tokens of points come from POST /v1/points' }]
      : []),
    ...(byKey && jwks === undefined ? [{ path: '/jwks', message: 'is missing' }] : []),
    ...(!byKey && jwks !== undefined ? [{ path: '/jwks', message: 'goes with private_key_jwt only' }] : []),
    ...(jwks?.keys ?? []).flatMap(keyErrors),
  ];
}

const aboutKeys = ['kid', 'alg', 'use'] as const;

function keyErrors(key: Jwk, index: number): readonly FieldError[] {
  const members = publicMembers(key);
  if (members !== undefined && importPublicKey(members) !== undefined) return [];
  return [{ path: `/jwks/keys/${index}`, message: 'must be a public key: EC, OKP, or RSA from 2048 bits' }];
}

/** What makes a key what it is. Whatever else a JWK says is not kept. */
const publicKeysOf = ({ keys }: ClientJwks): ClientJwks => ({
  keys: keys.map((key) => {
    const about = aboutKeys.flatMap((member) => {
      const value = key[member];
      return typeof value === 'string' && value !== '' ? [[member, value] as const] : [];
    });
    return { kty: key.kty, ...publicMembers(key), ...Object.fromEntries(about) };
  }),
});

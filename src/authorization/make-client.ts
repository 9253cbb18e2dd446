import { Problem, type FieldError } from '../core/problem.ts';
import type { StreamProfile } from '../core/stream.ts';
import { clientId, nameShape, sourceId, type Millis } from '../core/vocabulary.ts';
import { importPublicKey, publicMembers } from '../enforcement/token-signatures.ts';
import { may, type Caller, type Scope } from '../http/caller.ts';
import type { Client, ClientAuthMethod, ClientJwks, ClientStore, ExternalName, Jwk } from './ports.ts';
import { hashSecret, makeTokenSecret } from './token-secret.ts';

export type ClientRequest = {
  readonly clientId: string;
  readonly description?: string;
  readonly scopes: readonly Scope[];
  /** Absent: with a secret in the Authorization header, or not at all if its tokens come from elsewhere. */
  readonly authMethod?: ClientAuthMethod;
  readonly jwks?: { readonly keys: readonly Jwk[] };
  readonly external?: ExternalName;
  readonly person?: boolean;
  readonly dpopBound?: boolean;
  readonly profile?: StreamProfile;
  readonly source?: string;
};

/**
 * Makes a client that is no mightier than who asks for it.
 *
 * @returns the secret, which is known here for the only time; none with `private_key_jwt` or for one whose tokens come from elsewhere.
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
  const client: Client = {
    id: clientId(request.clientId),
    ...(request.description === undefined ? {} : { description: request.description }),
    scopes: [...new Set(request.scopes)].sort(),
    dpopBound: request.dpopBound ?? false,
    ...(request.profile === undefined ? {} : { profile: request.profile }),
    sourceId: sourceId(request.source ?? request.clientId),
    createdAtMs: nowMs(),
    ...kindOf(request),
  };
  const hasSecret = client.kind === 'own' && client.authMethod !== 'private_key_jwt';
  const secret = hasSecret ? makeTokenSecret() : undefined;
  await store.create(
    { ...client, ...(secret === undefined ? {} : { secretHash: hashSecret(secret) }) },
    { actor: caller.actor, atMs: client.createdAtMs, correlationId },
  );
  return { client, ...(secret === undefined ? {} : { secret }) };
}

const kindOf = ({ authMethod = 'client_secret_basic', jwks, external, person = false }: ClientRequest) =>
  external === undefined
    ? ({ kind: 'own', authMethod, ...(jwks === undefined ? {} : { jwks: publicKeysOf(jwks) }) } as const)
    : ({ kind: 'external', named: external, person } as const);

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
  const { scopes } = request;
  const names = [
    ['/client_id', request.clientId],
    ['/source', request.source],
  ] as const;
  return [
    ...names.flatMap(([path, name]) =>
      name === undefined || nameShape.test(name)
        ? []
        : [{ path, message: 'must be 1 to 64 letters, digits, ".", "_" or "-"' }],
    ),
    ...(scopes.includes('point')
      ? [{ path: '/scopes', message: 'must leave out point: tokens of points come from POST /v1/points' }]
      : []),
    ...(request.external === undefined ? ownErrors(request) : externalErrors(request, request.external)),
  ];
}

function ownErrors({ authMethod, jwks, person }: ClientRequest): readonly FieldError[] {
  const byKey = authMethod === 'private_key_jwt';
  return [
    ...(byKey && jwks === undefined ? [{ path: '/jwks', message: 'is missing' }] : []),
    ...(!byKey && jwks !== undefined ? [{ path: '/jwks', message: 'goes with private_key_jwt only' }] : []),
    ...(person === true
      ? [{ path: '/person', message: 'goes with external only: who gets tokens here is a program' }]
      : []),
    ...(jwks?.keys ?? []).flatMap(keyErrors),
  ];
}

/** Whatever an issuer elsewhere says of a program makes it neither an administrator nor a person. */
const personScopes: readonly Scope[] = ['admin', 'held.release'];

function externalErrors(
  request: ClientRequest,
  { clientId: named, sub }: ExternalName,
): readonly FieldError[] {
  const { authMethod, jwks, person = false, scopes } = request;
  const own = { auth_method: authMethod, jwks };
  const isHalf = named === undefined || sub === undefined;
  return [
    ...Object.entries(own).flatMap(([member, value]) =>
      value === undefined ? [] : [{ path: `/${member}`, message: 'does not go with external' }],
    ),
    ...(named === undefined && sub === undefined
      ? [{ path: '/external', message: 'must have client_id, sub or both' }]
      : []),
    ...(person && isHalf
      ? [{ path: '/external', message: 'must have client_id and sub: a person is a subject at one client' }]
      : []),
    ...(person
      ? []
      : personScopes
          .filter((scope) => scopes.includes(scope))
          .map((scope) => ({
            path: '/scopes',
            message: `must leave out ${scope}, or be those of a person`,
          }))),
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

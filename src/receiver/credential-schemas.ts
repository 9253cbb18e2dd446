import { Type, type Static } from 'typebox';
import { checkIssuerUrl } from '../core/issuer-url.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import type { UpstreamCredentials } from './ports.ts';

/** How a client proves who it is at the token endpoint. @see RFC 6749 §2.3.1, RFC 7523 §2.2 */
const clientMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
const kinds = ['none', 'token', 'client'] as const;

/** What may stand in a header or a form as it is. @see RFC 6749 Appendix A */
const printable = (description: string, lengthMax: number) =>
  Type.String({ minLength: 1, maxLength: lengthMax, pattern: '^[\\x20-\\x7e]+$', description });
const url = (description: string) => Type.String({ minLength: 1, maxLength: 2_048, description });

export const CredentialsBody = Type.Object(
  {
    kind: Type.Enum([...kinds], {
      description: '`token`: a token that the operator of the Transmitter gave out. `client`: RFC 6749 §4.4.',
    }),
    token: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 8_192,
        pattern: '^[\\x21-\\x7e]+$',
        description: 'Sent as `Authorization: Bearer`. Never shown again.',
      }),
    ),
    client_id: Type.Optional(printable('Of the hub, at the authorization server.', 512)),
    method: Type.Optional(Type.Enum([...clientMethods], { description: 'Default `client_secret_basic`.' })),
    client_secret: Type.Optional(printable('Never shown again.', 2_048)),
    token_endpoint: Type.Optional(
      url(
        'Left out: from the metadata of `authorization_server`, or of that which the Transmitter names (RFC 9728).',
      ),
    ),
    authorization_server: Type.Optional(url('Its issuer (RFC 8414).')),
    scope: Type.Optional(
      Type.String({
        maxLength: 1_024,
        pattern: '^[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]+$',
        examples: ['ssf.manage'],
      }),
    ),
    resource: Type.Optional(url('RFC 8707.')),
    new_key: Type.Optional(
      Type.Boolean({
        description: 'With `private_key_jwt`: another key than before, to be registered at once.',
      }),
    ),
  },
  { additionalProperties: false, description: 'How the hub proves to the Transmitter who it is.' },
);

const PublicJwk = Type.Object(
  {
    kty: Type.String(),
    crv: Type.String(),
    x: Type.String(),
    y: Type.String(),
    kid: Type.String(),
    alg: Type.String(),
    use: Type.String(),
  },
  { description: 'To be registered at the authorization server.' },
);

export const CredentialsReply = Type.Object({
  kind: Type.String(),
  client_id: Type.Optional(Type.String()),
  method: Type.Optional(Type.String()),
  token_endpoint: Type.Optional(Type.String()),
  authorization_server: Type.Optional(Type.String()),
  scope: Type.Optional(Type.String()),
  resource: Type.Optional(Type.String()),
  public_jwk: Type.Optional(PublicJwk),
});

type Body = Static<typeof CredentialsBody>;

/** A private JWK with `alg` and `kid`, where the credentials need one. */
export const keyFor = async (
  body: Body | undefined,
  makeKey: () => Promise<JsonObject>,
): Promise<JsonObject | undefined> => (body?.method === 'private_key_jwt' ? makeKey() : undefined);

/**
 * `key` is for who has none, or is to have another one.
 *
 * @throws Problem `invalid-request` for members that do not go together.
 */
export function toCredentials(
  body: Body | undefined,
  key: JsonObject | undefined,
  before?: UpstreamCredentials,
): UpstreamCredentials {
  if (body === undefined) return { kind: 'none' };
  refuseUnfit(body);
  const { kind, token = '', client_id: clientId = '' } = body;
  if (kind === 'none') return { kind };
  if (kind === 'token') return { kind, token };
  const { token_endpoint: tokenEndpoint, authorization_server: authorizationServer, scope, resource } = body;
  const { method = 'client_secret_basic', client_secret: clientSecret = '' } = body;
  const base = {
    kind,
    clientId,
    ...(tokenEndpoint === undefined ? {} : { tokenEndpoint }),
    ...(authorizationServer === undefined ? {} : { authorizationServer }),
    ...(scope === undefined ? {} : { scope }),
    ...(resource === undefined ? {} : { resource }),
  };
  if (method !== 'private_key_jwt') return { ...base, method, clientSecret };
  const known = before?.kind === 'client' && before.method === method ? before.privateJwk : undefined;
  const privateJwk = body.new_key === true ? key : (known ?? key);
  if (privateJwk === undefined) throw new Error('there is no key for private_key_jwt');
  return { ...base, method, privateJwk };
}

const membersOf: Record<(typeof kinds)[number], readonly (keyof Body)[]> = {
  none: [],
  token: ['token'],
  client: [
    'client_id',
    'method',
    'client_secret',
    'token_endpoint',
    'authorization_server',
    'scope',
    'resource',
    'new_key',
  ],
};

function refuseUnfit(body: Body): void {
  const { kind, method } = body;
  const allowed = new Set<string>(['kind', ...membersOf[kind]]);
  const isByKey = method === 'private_key_jwt';
  const missing =
    kind === 'token'
      ? ['token']
      : kind === 'client'
        ? ['client_id', ...(isByKey ? [] : ['client_secret'])]
        : [];
  const errors: FieldError[] = [
    ...Object.keys(body).flatMap((member) =>
      allowed.has(member)
        ? []
        : [{ path: `/credentials/${member}`, message: `does not go with kind ${kind}` }],
    ),
    ...missing.flatMap((member) =>
      Object.hasOwn(body, member) ? [] : [{ path: `/credentials/${member}`, message: 'is missing' }],
    ),
    ...(isByKey && body.client_secret !== undefined
      ? [
          {
            path: '/credentials/client_secret',
            message: 'does not go with private_key_jwt: the hub makes a key',
          },
        ]
      : []),
    ...(!isByKey && body.new_key !== undefined
      ? [{ path: '/credentials/new_key', message: 'goes with private_key_jwt only' }]
      : []),
  ];
  if (errors.length > 0)
    throw new Problem('invalid-request', 'The credentials do not fit together.', { errors });
  for (const member of ['token_endpoint', 'authorization_server', 'resource'] as const) {
    const text = body[member];
    if (text !== undefined) checkIssuerUrl(text, `/credentials/${member}`, { noQuery: false });
  }
}

/** All of them but what is secret. */
export function toCredentialsReply(credentials: UpstreamCredentials): Static<typeof CredentialsReply> {
  if (credentials.kind !== 'client') return { kind: credentials.kind };
  const { kind, clientId, method, tokenEndpoint, authorizationServer, scope, resource } = credentials;
  return {
    kind,
    client_id: clientId,
    method,
    ...(tokenEndpoint === undefined ? {} : { token_endpoint: tokenEndpoint }),
    ...(authorizationServer === undefined ? {} : { authorization_server: authorizationServer }),
    ...(scope === undefined ? {} : { scope }),
    ...(resource === undefined ? {} : { resource }),
    ...(credentials.method === 'private_key_jwt' ? { public_jwk: publicJwkOf(credentials.privateJwk) } : {}),
  };
}

/** What is named here, and nothing else: the rest of the JWK is the secret. */
function publicJwkOf(jwk: JsonObject): Static<typeof PublicJwk> {
  const text = (member: string): string => {
    const value = jwk[member];
    return typeof value === 'string' ? value : '';
  };
  return {
    kty: text('kty'),
    crv: text('crv'),
    x: text('x'),
    y: text('y'),
    kid: text('kid'),
    alg: text('alg'),
    use: 'sig',
  };
}

import { Type, type Static } from 'typebox';
import { scopes } from '../http/caller.ts';
import type { ClientRequest } from './make-client.ts';
import { type Client, clientAuthMethods } from './ports.ts';

const keysMax = 10;

const Jwks = Type.Object(
  {
    keys: Type.Array(Type.Object({ kty: Type.String({ maxLength: 8 }) }, { additionalProperties: true }), {
      minItems: 1,
      maxItems: keysMax,
    }),
  },
  { additionalProperties: false, description: 'Public keys (RFC 7517) that sign its assertions.' },
);

export const ClientBody = Type.Object(
  {
    client_id: Type.String({
      maxLength: 64,
      description: 'What it is called. The name of one that was revoked is not given again.',
      examples: ['soc-receiver'],
    }),
    description: Type.Optional(Type.String({ maxLength: 256 })),
    scopes: Type.Array(Type.Enum([...scopes]), {
      minItems: 1,
      maxItems: scopes.length,
      description: 'What it may ask for. You can grant what you have, and never `point`.',
      examples: [['ssf.read', 'ssf.manage']],
    }),
    auth_method: Type.Optional(
      Type.Enum([...clientAuthMethods], {
        description: 'How it proves who it is at the token endpoint. Default client_secret_basic.',
      }),
    ),
    jwks: Type.Optional(Jwks),
    dpop_bound: Type.Optional(
      Type.Boolean({
        description: 'It gets tokens only that are bound to a key of its own (DPoP). Default false.',
      }),
    ),
    source: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The source that it speaks for. Left out: one named after it, made if need be.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'ClientBody' },
);

const clientMembers = {
  client_id: Type.String({ examples: ['soc-receiver'] }),
  description: Type.Optional(Type.String()),
  scopes: Type.Array(Type.String(), { examples: [['ssf.manage', 'ssf.read']] }),
  auth_method: Type.String({ examples: ['client_secret_basic'] }),
  jwks: Type.Optional(
    Type.Object({
      keys: Type.Array(Type.Object({ kty: Type.String() }, { additionalProperties: true })),
    }),
  ),
  dpop_bound: Type.Boolean(),
  source: Type.String({ examples: ['soc-receiver'] }),
  created_at_ms: Type.Integer({ examples: [1_763_764_000_123] }),
  revoked_at_ms: Type.Optional(Type.Integer()),
};

export const ClientReply = Type.Object(clientMembers, { $id: 'Client' });

export const NewClientReply = Type.Object(
  {
    ...clientMembers,
    client_secret: Type.Optional(
      Type.String({
        description: 'Shown this once: the hub keeps a hash of it. None with private_key_jwt.',
        examples: ['chub_…'],
      }),
    ),
    issuer: Type.String({
      description: 'The authorization server that it gets tokens from.',
      examples: ['https://hub.example/oauth'],
    }),
    token_endpoint: Type.String({ examples: ['https://hub.example/oauth/token'] }),
  },
  { $id: 'NewClient' },
);

export const ClientList = Type.Object({
  items: Type.Array(ClientReply),
  next_cursor: Type.Union([Type.String(), Type.Null()]),
});

export const toClientRequest = (body: Static<typeof ClientBody>): ClientRequest => ({
  clientId: body.client_id,
  ...(body.description === undefined ? {} : { description: body.description }),
  scopes: body.scopes,
  authMethod: body.auth_method ?? 'client_secret_basic',
  ...(body.jwks === undefined ? {} : { jwks: { keys: body.jwks.keys } }),
  ...(body.dpop_bound === undefined ? {} : { dpopBound: body.dpop_bound }),
  ...(body.source === undefined ? {} : { source: body.source }),
});

export const toClientReply = (client: Client): Static<typeof ClientReply> => ({
  client_id: client.id,
  ...(client.description === undefined ? {} : { description: client.description }),
  scopes: [...client.scopes],
  auth_method: client.authMethod,
  ...(client.jwks === undefined ? {} : { jwks: { keys: client.jwks.keys.map((key) => ({ ...key })) } }),
  dpop_bound: client.dpopBound,
  source: client.sourceId,
  created_at_ms: client.createdAtMs,
  ...(client.revokedAtMs === undefined ? {} : { revoked_at_ms: client.revokedAtMs }),
});

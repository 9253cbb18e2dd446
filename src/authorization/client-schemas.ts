import { Type, type Static } from 'typebox';
import { streamProfiles } from '../core/stream.ts';
import { scopes } from '../http/caller.ts';
import type { ClientRequest } from './make-client.ts';
import { type Client, clientAuthMethods, type ExternalName, type OwnClient } from './ports.ts';

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

const claim = (description: string, example: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 512, description, examples: [example] }));

const External = Type.Object(
  {
    iss: Type.String({
      maxLength: 2_048,
      description: 'An issuer of /v1/caller-issuers, byte for byte.',
      examples: ['https://login.example'],
    }),
    client_id: claim('What its tokens name as the client.', 'soar-prod'),
    sub: claim('What its tokens name as the subject.', '00u1ab2cd'),
  },
  {
    additionalProperties: false,
    description:
      'Its tokens come from this issuer and say all that is given here. Without `sub` every token of that client counts, whoever it acts for; of two clients that a token names, it is the one with `sub` that speaks.',
  },
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
      description:
        'The most that its tokens can do. You can grant what you have, and never `point`; a program with tokens from elsewhere has neither `admin` nor `held.release`.',
      examples: [['ssf.read', 'ssf.manage']],
    }),
    auth_method: Type.Optional(
      Type.Enum([...clientAuthMethods], {
        description: 'How it proves who it is at the token endpoint. Default client_secret_basic.',
      }),
    ),
    jwks: Type.Optional(Jwks),
    external: Type.Optional(External),
    person: Type.Optional(
      Type.Boolean({
        description:
          'With `external`, which then has both members: they are a person at a keyboard, called `client_id` in the audit as with their API tokens. Default false.',
      }),
    ),
    dpop_bound: Type.Optional(
      Type.Boolean({
        description: 'Its tokens are bound to a key of its own (DPoP), or not taken. Default false.',
      }),
    ),
    profile: Type.Optional(
      Type.Enum([...streamProfiles], {
        description:
          'What its streams obey: signed RS256, about all subjects, and session-revoked and credential-change when it asks for no events (CAEP Interoperability Profile 1.0, draft 02; docs/streams.md). Set once and for all.',
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
  auth_method: Type.Optional(
    Type.String({
      description: 'Absent: its tokens come from elsewhere.',
      examples: ['client_secret_basic'],
    }),
  ),
  external: Type.Optional(
    Type.Object({
      iss: Type.String(),
      client_id: Type.Optional(Type.String()),
      sub: Type.Optional(Type.String()),
    }),
  ),
  person: Type.Boolean(),
  jwks: Type.Optional(
    Type.Object({
      keys: Type.Array(Type.Object({ kty: Type.String() }, { additionalProperties: true })),
    }),
  ),
  dpop_bound: Type.Boolean(),
  profile: Type.Optional(Type.String()),
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
        description:
          'Shown this once: the hub keeps a hash of it. None with private_key_jwt and with tokens from elsewhere.',
        examples: ['chub_…'],
      }),
    ),
    issuer: Type.String({
      description: 'Where it gets tokens from.',
      examples: ['https://hub.example/oauth'],
    }),
    token_endpoint: Type.Optional(
      Type.String({
        description: 'Of the built-in authorization server.',
        examples: ['https://hub.example/oauth/token'],
      }),
    ),
    audience: Type.String({
      description: 'What its tokens must be for (`aud`).',
      examples: ['https://hub.example'],
    }),
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
  ...(body.auth_method === undefined ? {} : { authMethod: body.auth_method }),
  ...(body.external === undefined ? {} : { external: toName(body.external) }),
  ...(body.person === undefined ? {} : { person: body.person }),
  ...(body.jwks === undefined ? {} : { jwks: { keys: body.jwks.keys } }),
  ...(body.dpop_bound === undefined ? {} : { dpopBound: body.dpop_bound }),
  ...(body.profile === undefined ? {} : { profile: body.profile }),
  ...(body.source === undefined ? {} : { source: body.source }),
});

const toName = ({ iss, client_id: named, sub }: Static<typeof External>): ExternalName => ({
  iss,
  ...(named === undefined ? {} : { clientId: named }),
  ...(sub === undefined ? {} : { sub }),
});

export const toClientReply = (client: Client): Static<typeof ClientReply> => ({
  client_id: client.id,
  ...(client.description === undefined ? {} : { description: client.description }),
  scopes: [...client.scopes],
  ...(client.kind === 'own' ? toOwn(client) : { external: fromName(client.named), person: client.person }),
  dpop_bound: client.dpopBound,
  ...(client.profile === undefined ? {} : { profile: client.profile }),
  source: client.sourceId,
  created_at_ms: client.createdAtMs,
  ...(client.revokedAtMs === undefined ? {} : { revoked_at_ms: client.revokedAtMs }),
});

const toOwn = ({ authMethod, jwks }: OwnClient) => ({
  auth_method: authMethod,
  person: false,
  ...(jwks === undefined ? {} : { jwks: { keys: jwks.keys.map((key) => ({ ...key })) } }),
});

const fromName = ({ iss, clientId: named, sub }: ExternalName): Static<typeof External> => ({
  iss,
  ...(named === undefined ? {} : { client_id: named }),
  ...(sub === undefined ? {} : { sub }),
});

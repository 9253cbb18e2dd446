import { Type, type Static } from 'typebox';
import { listOf } from '../http/list-page.ts';
import { scopes } from '../http/caller.ts';
import type { TokenRequest } from './make-token.ts';
import type { ApiToken } from './ports.ts';

const minuteSeconds = 60;
const tenYearsSeconds = 10 * 365 * 86_400;

export const TokenBody = Type.Object(
  {
    actor: Type.String({
      maxLength: 64,
      description:
        'Who will hold it, as the audit names them; where that is the name of its point, `point:<name>`.',
      examples: ['splunk'],
    }),
    scopes: Type.Array(Type.Enum([...scopes]), {
      minItems: 1,
      maxItems: scopes.length,
      description: 'What it may do. You can grant what you have; with `points.write` also `point`.',
      examples: [['signals.write', 'signals.read']],
    }),
    source: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The source that it speaks for. Left out: one named after the actor, made if need be.',
      }),
    ),
    person: Type.Optional(
      Type.Boolean({
        description: 'Its source speaks for a person at a keyboard: kills pass the brake. Default false.',
      }),
    ),
    expires_in: Type.Optional(
      Type.Integer({
        minimum: minuteSeconds,
        maximum: tenYearsSeconds,
        description: 'Seconds until it expires. Left out: it does not.',
        examples: [90 * 86_400],
      }),
    ),
    point: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The enforcement point that it is for; goes with the scope `point`.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'TokenBody' },
);

const tokenMembers = {
  id: Type.String({ examples: ['tok_01JDZ5V9Y3K2QXW8R7T6N4M1BC'] }),
  actor: Type.String({ examples: ['splunk'] }),
  scopes: Type.Array(Type.String(), { examples: [['signals.read', 'signals.write']] }),
  source: Type.String({ examples: ['splunk'] }),
  point: Type.Optional(Type.String()),
  created_at_ms: Type.Integer({ examples: [1_763_764_000_123] }),
  made_by: Type.Optional(
    Type.String({
      description: 'The token that made it and with which it is revoked. Absent: an admin made it.',
    }),
  ),
  expires_at_ms: Type.Optional(Type.Integer()),
  revoked_at_ms: Type.Optional(Type.Integer()),
  last_used_at_ms: Type.Optional(Type.Integer({ description: 'To within a minute.' })),
};

export const TokenReply = Type.Object(tokenMembers, { $id: 'Token' });

export const NewTokenReply = Type.Object(
  {
    ...tokenMembers,
    token: Type.String({
      description: 'The secret, shown this once: the hub keeps a hash of it.',
      examples: ['chub_…'],
    }),
  },
  { $id: 'NewToken' },
);

export const TokenList = listOf(TokenReply);

export const toTokenRequest = (body: Static<typeof TokenBody>): TokenRequest => ({
  actor: body.actor,
  scopes: body.scopes,
  ...(body.source === undefined ? {} : { source: body.source }),
  ...(body.person === undefined ? {} : { person: body.person }),
  ...(body.expires_in === undefined ? {} : { expiresInSeconds: body.expires_in }),
  ...(body.point === undefined ? {} : { point: body.point }),
});

export const toTokenReply = (token: ApiToken): Static<typeof TokenReply> => ({
  id: token.id,
  actor: token.actor,
  scopes: [...token.scopes],
  source: token.sourceId,
  ...(token.point === undefined ? {} : { point: token.point }),
  created_at_ms: token.createdAtMs,
  ...(token.madeBy === undefined ? {} : { made_by: token.madeBy }),
  ...(token.expiresAtMs === undefined ? {} : { expires_at_ms: token.expiresAtMs }),
  ...(token.revokedAtMs === undefined ? {} : { revoked_at_ms: token.revokedAtMs }),
  ...(token.lastUsedAtMs === undefined ? {} : { last_used_at_ms: token.lastUsedAtMs }),
});

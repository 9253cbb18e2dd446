import { Type, type Static } from 'typebox';
import { findEventType, nearestEventTypes } from '../core/events/event-types.ts';
import { Problem } from '../core/problem.ts';
import { effects } from '../core/revocation.ts';
import { sourceDefaults, type Source } from '../core/source.ts';
import { clientId, nameShape, sourceId } from '../core/vocabulary.ts';

export const SourceBody = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 500 })),
    event_types: Type.Optional(
      Type.Array(Type.String({ maxLength: 200 }), {
        maxItems: 100,
        description: 'Event types it may send, short names or URIs. Left out: every type.',
        examples: [['credential-compromise', 'session-revoked']],
      }),
    ),
    subject_issuers: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 2_048 }), {
        maxItems: 100,
        description:
          'Issuers whose subjects it may speak about; its key kills are bounded by them. Left out: every issuer.',
      }),
    ),
    subject_domains: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 253, pattern: '^[^\\s@/]+$' }), {
        maxItems: 100,
        description:
          'Domains of the e-mail addresses and accounts that it may speak about. Left out: every domain.',
        examples: [['example.com']],
      }),
    ),
    peer: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'Client of the same party: its streams are told nothing of what this source says.',
      }),
    ),
    strongest_effect: Type.Optional(
      Type.Enum([...effects], { description: 'Anything stronger is held for a person. Default `deny`.' }),
    ),
    kills_per_minute: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100_000,
        description: 'Kills above this rate are held for a person. Default 30.',
      }),
    ),
    soft_effect: Type.Optional(
      Type.Enum([...effects], {
        description: 'What a held kill puts at once, while it waits. Default `observe`.',
      }),
    ),
    held_seconds: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 7 * 86_400,
        description: 'How long a held signal waits. Default 3600.',
      }),
    ),
    held_default: Type.Optional(
      Type.Enum(['release', 'discard'], { description: 'What happens then. Default `discard`.' }),
    ),
    person: Type.Optional(
      Type.Boolean({
        description:
          'It speaks for a person at a keyboard: its kills pass the brake. Default: as it is, at first false.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'SourceBody' },
);

export const SourceReply = Type.Object(
  {
    id: Type.String(),
    description: Type.Optional(Type.String()),
    event_types: Type.Optional(Type.Array(Type.String())),
    subject_issuers: Type.Optional(Type.Array(Type.String())),
    subject_domains: Type.Optional(Type.Array(Type.String())),
    peer: Type.Optional(Type.String()),
    strongest_effect: Type.String(),
    kills_per_minute: Type.Integer(),
    soft_effect: Type.String(),
    held_seconds: Type.Integer(),
    held_default: Type.String(),
    person: Type.Boolean(),
  },
  { $id: 'Source' },
);

/** @throws Problem `invalid-request` for a bad name, `unknown-event-type` for an event type that does not exist. */
export function toSource(id: string, body: Static<typeof SourceBody>): Source {
  if (!nameShape.test(id)) {
    throw new Problem('invalid-request', `"${id.slice(0, 80)}" is no name for a source.`, {
      hint: 'Use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit.',
      errors: [{ path: '/id', message: 'is no name' }],
    });
  }
  return {
    id: sourceId(id),
    ...(body.description === undefined ? {} : { description: body.description }),
    ...(body.event_types === undefined ? {} : { eventTypes: body.event_types.map(eventTypeUri) }),
    ...(body.subject_issuers === undefined ? {} : { subjectIssuers: body.subject_issuers }),
    ...(body.subject_domains === undefined
      ? {}
      : { subjectDomains: body.subject_domains.map((domain) => domain.toLowerCase()) }),
    ...(body.peer === undefined ? {} : { peer: clientId(body.peer) }),
    strongestEffect: body.strongest_effect ?? sourceDefaults.strongestEffect,
    killsPerMinute: body.kills_per_minute ?? sourceDefaults.killsPerMinute,
    softEffect: body.soft_effect ?? sourceDefaults.softEffect,
    heldSeconds: body.held_seconds ?? sourceDefaults.heldSeconds,
    heldDefault: body.held_default ?? sourceDefaults.heldDefault,
    person: body.person ?? sourceDefaults.person,
  };
}

export const toSourceReply = (source: Source): Static<typeof SourceReply> => ({
  id: source.id,
  ...(source.description === undefined ? {} : { description: source.description }),
  ...(source.eventTypes === undefined ? {} : { event_types: [...source.eventTypes] }),
  ...(source.subjectIssuers === undefined ? {} : { subject_issuers: [...source.subjectIssuers] }),
  ...(source.subjectDomains === undefined ? {} : { subject_domains: [...source.subjectDomains] }),
  ...(source.peer === undefined ? {} : { peer: source.peer }),
  strongest_effect: source.strongestEffect,
  kills_per_minute: source.killsPerMinute,
  soft_effect: source.softEffect,
  held_seconds: source.heldSeconds,
  held_default: source.heldDefault,
  person: source.person,
});

function eventTypeUri(nameOrUri: string, index: number): string {
  const found = findEventType(nameOrUri);
  if (found) return found.uri;
  throw new Problem('unknown-event-type', `There is no event type "${nameOrUri}".`, {
    hint: `Did you mean ${nearestEventTypes(nameOrUri).join(', ')}? GET /v1/event-types lists them.`,
    errors: [{ path: `/event_types/${index}`, message: 'is unknown' }],
  });
}

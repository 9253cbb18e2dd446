import { Type, type Static } from 'typebox';
import { confidences } from '../core/signal.ts';
import type { EventType } from '../core/events/event-type.ts';
import { type Enforcement, SignalAnswer, toSignalAnswer } from '../http/signal-answer.ts';
import type { HeldSignal, SignalRecord } from './ports.ts';

/** What is stored and shown for ever is short. */
const idMax = 128;
const reasonMax = 1_000;

const OpenObject = Type.Object({}, { additionalProperties: true });
const Text = (description: string, maxLength: number) =>
  Type.String({ minLength: 1, maxLength, description });

export const SignalBody = Type.Object(
  {
    event: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'Short name or URI of an event type; GET /v1/event-types lists them.',
      examples: ['credential-compromise'],
    }),
    subject: Type.Object(
      {},
      {
        additionalProperties: true,
        description:
          'An RFC 9493 subject identifier, an SSF complex subject, members of `match`, or {"agent": name}.',
        examples: [{ iss: 'https://idp.example', client_id: 'build-runner' }],
      },
    ),
    data: Type.Optional(
      Type.Object(
        {},
        {
          additionalProperties: true,
          description: "The event's own members.",
          examples: [{ credential_type: 'x509' }],
        },
      ),
    ),
    event_timestamp: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 100_000_000_000,
        description: 'When it happened, in seconds; absent: now. A future time counts as now.',
        examples: [1763764001],
      }),
    ),
    confidence: Type.Optional(Type.Enum([...confidences])),
    reason: Type.Optional(Text('For people who look at it later.', reasonMax)),
    id: Type.Optional(Text('Idempotency key of the source: the same again is the same signal.', idMax)),
    txn: Type.Optional(Text('Ties together what belongs to one transaction, here and downstream.', idMax)),
  },
  { additionalProperties: false, $id: 'SignalBody' },
);

/** Several signals: parsed line by line, so that one that is wrong fails alone. */
export const BatchBody = Type.Unknown({
  description: 'One `SignalBody` a line.',
  examples: [
    '{"event":"session-revoked","subject":{"agent":"build-runner"},"id":"splunk-1"}\n' +
      '{"event":"session-revoked","subject":{"agent":"report-writer"},"id":"splunk-2"}\n',
  ],
});

/** What each line of the answer is. */
export const BatchReply = Type.Union(
  [
    Type.Object({ line: Type.Integer({ minimum: 1 }), ...SignalAnswer.properties }),
    Type.Object(
      {
        line: Type.Integer({ minimum: 1 }),
        type: Type.String(),
        code: Type.String(),
        status: Type.Integer({ description: 'As the signal would have been answered alone.' }),
        retry_after: Type.Optional(
          Type.Integer({ description: 'Seconds after which it may be sent again.' }),
        ),
      },
      { additionalProperties: true, description: 'A problem (RFC 9457).' },
    ),
  ],
  { description: 'One line each, for each line of the batch.' },
);

export const SignalReply = Type.Object(
  {
    ...SignalAnswer.properties,
    source: Type.String(),
    actor: Type.String(),
    id: Type.Optional(Type.String()),
    event: Type.String(),
    subject: OpenObject,
    data: OpenObject,
    event_timestamp: Type.Number(),
    confidence: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String()),
  },
  { $id: 'Signal' },
);

export const EventTypeReply = Type.Object(
  {
    name: Type.String(),
    uri: Type.String(),
    profile: Type.String(),
    section: Type.String(),
    description: Type.String(),
    data: Type.Object({}, { additionalProperties: true, description: 'JSON Schema of its members.' }),
    example: OpenObject,
  },
  { $id: 'EventType' },
);

export const HeldReply = Type.Object(
  {
    signal: SignalReply,
    code: Type.String(),
    text: Type.String(),
    state: Type.Enum(['waiting', 'released', 'discarded']),
    approvals_required: Type.Integer(),
    approvals: Type.Array(Type.Object({ actor: Type.String(), at_ms: Type.Integer() })),
    deadline_ms: Type.Integer(),
    at_deadline: Type.Enum(['release', 'discard']),
    decided_by: Type.Optional(Type.String()),
    decided_at_ms: Type.Optional(Type.Integer()),
  },
  { $id: 'HeldSignal' },
);

/** The release of a held signal: what it did, or how many approvals are still missing. */
export const ReleaseReply = Type.Object(
  { held: HeldReply, signal: Type.Optional(SignalAnswer) },
  { $id: 'Release' },
);

export const toSignalReply = (
  record: SignalRecord,
  enforcement?: Enforcement,
): Static<typeof SignalReply> => ({
  ...toSignalAnswer(record.answer, enforcement === undefined ? {} : { enforcement }),
  source: record.sourceId,
  actor: record.actor,
  ...(record.externalId === undefined ? {} : { id: record.externalId }),
  event: record.eventType,
  subject: { ...record.subject },
  data: { ...record.data },
  event_timestamp: record.eventTime,
  ...(record.confidence === undefined ? {} : { confidence: record.confidence }),
  ...(record.reason === undefined ? {} : { reason: record.reason }),
});

export const toEventTypeReply = (type: EventType): Static<typeof EventTypeReply> => ({
  name: type.name,
  uri: type.uri,
  profile: type.profile,
  section: type.section,
  description: type.description,
  data: { ...type.data },
  example: { ...type.example },
});

export const toHeldReply = (held: HeldSignal): Static<typeof HeldReply> => ({
  signal: toSignalReply(held.signal),
  code: held.code,
  text: held.text,
  state: held.state,
  approvals_required: held.approvalsRequired,
  approvals: held.approvals.map(({ actor, atMs }) => ({ actor, at_ms: atMs })),
  deadline_ms: held.deadlineMs,
  at_deadline: held.atDeadline,
  ...(held.decidedBy === undefined ? {} : { decided_by: held.decidedBy }),
  ...(held.decidedAtMs === undefined ? {} : { decided_at_ms: held.decidedAtMs }),
});

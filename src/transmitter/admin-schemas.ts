import { Type, type Static } from 'typebox';
import { findEventType, nearestEventTypes } from '../core/events/event-types.ts';
import { eventsSupported } from '../core/events/transmitted-events.ts';
import { Problem } from '../core/problem.ts';
import {
  defaultSubjects,
  deliveryMethods,
  signingAlgorithms,
  type Stream,
  streamStatuses,
} from '../core/stream.ts';
import { eventsRequestedMax, eventUriMax, reasonMax } from './limits.ts';
import { receiverOfToken } from './receiver.ts';
import { DeliveryBody, pollUrlOf } from './schemas.ts';

const closed = { additionalProperties: false } as const;
const daySeconds = 86_400;

const interval = Type.Integer({
  minimum: 0,
  maximum: daySeconds,
  description: 'Seconds between two requests for a verification event.',
});
const timeout = Type.Integer({
  minimum: 60,
  maximum: 400 * daySeconds,
  description: 'Without activity of the receiver for so many seconds, from now on, the stream is paused.',
});

export const StreamBody = Type.Object(
  {
    receiver: Type.String({
      maxLength: 80,
      description: 'Who may manage it: the holder of API tokens, as the audit names them, or `client:<id>`.',
      examples: ['siem'],
    }),
    delivery: Type.Optional(DeliveryBody),
    events_requested: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: eventUriMax }), {
        maxItems: eventsRequestedMax,
        description: 'Short names or URIs. Left out: all that the hub sends.',
        examples: [['session-revoked', 'credential-change']],
      }),
    ),
    description: Type.Optional(Type.String()),
    algorithm: Type.Optional(Type.Enum([...signingAlgorithms], { description: 'Default RS256.' })),
    default_subjects: Type.Optional(
      Type.Enum([...defaultSubjects], { description: 'Whom a new stream has. Default ALL.' }),
    ),
    min_verification_interval: Type.Optional(interval),
    inactivity_timeout: Type.Optional(timeout),
  },
  { ...closed, $id: 'StreamBody' },
);

export const StreamPatchBody = Type.Object(
  {
    status: Type.Optional(Type.Enum([...streamStatuses], { examples: ['paused'] })),
    reason: Type.Optional(
      Type.String({ maxLength: reasonMax, description: 'Told to the receiver; goes with a status.' }),
    ),
    description: Type.Optional(Type.String()),
    algorithm: Type.Optional(Type.Enum([...signingAlgorithms])),
    min_verification_interval: Type.Optional(interval),
    inactivity_timeout: Type.Optional(Type.Union([timeout, Type.Null()])),
  },
  { ...closed, minProperties: 1, $id: 'StreamPatchBody' },
);

export const StreamReply = Type.Object(
  {
    id: Type.String(),
    receiver: Type.String(),
    aud: Type.String(),
    profile: Type.Optional(Type.String({ description: 'What it obeys, as its client does.' })),
    status: Type.String(),
    reason: Type.Optional(Type.String()),
    delivery: Type.Object({
      method: Type.String(),
      endpoint_url: Type.String(),
      authorized: Type.Optional(Type.Boolean({ description: 'Pushes carry the secret of the receiver.' })),
    }),
    events_requested: Type.Optional(Type.Array(Type.String())),
    events_delivered: Type.Array(Type.String()),
    description: Type.Optional(Type.String()),
    algorithm: Type.String(),
    default_subjects: Type.String(),
    min_verification_interval: Type.Integer(),
    inactivity_timeout: Type.Optional(Type.Integer()),
    last_activity_at_ms: Type.Integer(),
    last_verification_at_ms: Type.Optional(Type.Integer()),
    created_at_ms: Type.Integer(),
    updated_at_ms: Type.Integer(),
  },
  { $id: 'Stream' },
);

export const toStreamReply = (stream: Stream, issuer: string): Static<typeof StreamReply> => ({
  id: stream.id,
  receiver: stream.receiver,
  aud: stream.aud,
  ...(stream.profile === undefined ? {} : { profile: stream.profile }),
  status: stream.status,
  ...(stream.statusReason === undefined ? {} : { reason: stream.statusReason }),
  delivery:
    stream.delivery.method === 'push'
      ? {
          method: deliveryMethods.push,
          endpoint_url: stream.delivery.endpointUrl,
          authorized: stream.delivery.isAuthorized,
        }
      : { method: deliveryMethods.poll, endpoint_url: pollUrlOf(issuer, stream.id) },
  ...(stream.eventsRequested === undefined ? {} : { events_requested: [...stream.eventsRequested] }),
  events_delivered: [...stream.eventsDelivered],
  ...(stream.description === undefined ? {} : { description: stream.description }),
  algorithm: stream.algorithm,
  default_subjects: stream.defaultSubjects,
  min_verification_interval: stream.minVerificationIntervalSeconds,
  ...(stream.inactivityTimeoutSeconds === undefined
    ? {}
    : { inactivity_timeout: stream.inactivityTimeoutSeconds }),
  last_activity_at_ms: stream.lastActivityAtMs,
  ...(stream.lastVerificationAtMs === undefined
    ? {}
    : { last_verification_at_ms: stream.lastVerificationAtMs }),
  created_at_ms: stream.createdAtMs,
  updated_at_ms: stream.updatedAtMs,
});

/** @throws Problem `invalid-request` for what is no name of anybody. */
export function toReceiver(text: string): string {
  const [, kind, name] = /^(?:(token|client):)?([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/.exec(text) ?? [];
  if (name !== undefined) return kind === undefined ? receiverOfToken(name) : `${kind}:${name}`;
  throw new Problem('invalid-request', `"${text}" names no receiver.`, {
    hint: 'Give the holder of its API token, such as siem, or client:<id>.',
    errors: [{ path: '/receiver', message: 'is no name' }],
  });
}

export const toEventUris = (names: readonly string[] | undefined): readonly string[] =>
  names === undefined
    ? eventsSupported
    : names.map((name, index) => toEventUri(name, `/events_requested/${index}`));

/** At our own door an event that nobody knows is a mistake. @throws Problem `unknown-event-type` */
export function toEventUri(name: string, path: string): string {
  const found = findEventType(name);
  if (found !== undefined && eventsSupported.includes(found.uri)) return found.uri;
  throw new Problem('unknown-event-type', `No stream carries an event type "${name}".`, {
    hint: `Did you mean ${nearestEventTypes(name).join(', ')}? Streams carry the events of CAEP and RISC.`,
    errors: [{ path, message: 'is unknown' }],
  });
}

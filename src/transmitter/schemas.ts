import { Type, type Static } from 'typebox';
import { eventsSupported } from '../core/events/transmitted-events.ts';
import { deliveryMethods, type Stream, streamStatuses } from '../core/stream.ts';
import type { StreamId } from '../core/vocabulary.ts';
import { eventsRequestedMax, eventUriMax, reasonMax } from './limits.ts';

/** Wire objects of SSF 1.0 §8.1. Members that nobody defined are ignored: extensions are allowed everywhere. */
const open = { additionalProperties: true } as const;
const methods = Object.values(deliveryMethods);
const exampleId = 'str_01KB8J6V6W4M9Y6Z0D3T5N7QPA';
const exampleEvents = ['https://schemas.openid.net/secevent/caep/event-type/session-revoked'];

const StreamIdMember = Type.String({ examples: [exampleId] });

export const DeliveryBody = Type.Object(
  {
    method: Type.Enum(methods, { examples: [deliveryMethods.poll] }),
    endpoint_url: Type.Optional(Type.String({ description: 'For push, where SETs go. For poll, ours.' })),
    authorization_header: Type.Optional(
      Type.String({
        description:
          'For push: sent as it is in `Authorization`. Kept encrypted and never shown again: a delivery without it has none.',
      }),
    ),
  },
  open,
);

const receiverSupplied = {
  delivery: Type.Optional(DeliveryBody),
  events_requested: Type.Optional(
    Type.Array(Type.String({ maxLength: eventUriMax }), {
      maxItems: eventsRequestedMax,
      description: 'URIs of event types; those that the hub does not send are ignored.',
      examples: [exampleEvents],
    }),
  ),
  description: Type.Optional(Type.String({ examples: ['SIEM of the EU region'] })),
};

/** What only the transmitter says. A receiver may repeat it, but not change it. */
export const transmitterSupplied = [
  'iss',
  'aud',
  'events_supported',
  'events_delivered',
  'min_verification_interval',
  'inactivity_timeout',
] as const;

export const CreateBody = Type.Object(receiverSupplied, { ...open, $id: 'SsfStreamCreate' });
export const ChangeBody = Type.Object(
  { stream_id: StreamIdMember, ...receiverSupplied },
  { ...open, $id: 'SsfStreamChange' },
);

export const Configuration = Type.Object({
  stream_id: StreamIdMember,
  iss: Type.String(),
  aud: Type.String(),
  delivery: Type.Object({ method: Type.String(), endpoint_url: Type.String() }),
  events_supported: Type.Array(Type.String()),
  events_requested: Type.Optional(Type.Array(Type.String())),
  events_delivered: Type.Array(Type.String()),
  description: Type.Optional(Type.String()),
  min_verification_interval: Type.Integer(),
  inactivity_timeout: Type.Optional(Type.Integer()),
});
export type Configuration = Static<typeof Configuration>;

export const StatusBody = Type.Object(
  {
    stream_id: StreamIdMember,
    status: Type.Enum([...streamStatuses], { examples: ['paused'] }),
    reason: Type.Optional(Type.String({ maxLength: reasonMax })),
  },
  { ...open, $id: 'SsfStatusChange' },
);
export const StatusReply = Type.Object(
  { stream_id: Type.String(), status: Type.String(), reason: Type.Optional(Type.String()) },
  { $id: 'SsfStatus' },
);

const Subject = Type.Object(
  { format: Type.String() },
  {
    ...open,
    description: 'Simple or complex (RFC 9493, SSF 1.0 §3).',
    examples: [{ format: 'email', email: 'jdoe@example.com' }],
  },
);
export const AddSubjectBody = Type.Object(
  { stream_id: StreamIdMember, subject: Subject, verified: Type.Optional(Type.Boolean()) },
  { ...open, $id: 'SsfSubjectAdd' },
);
export const RemoveSubjectBody = Type.Object(
  { stream_id: StreamIdMember, subject: Subject },
  { ...open, $id: 'SsfSubjectRemove' },
);
export const VerifyBody = Type.Object(
  {
    stream_id: StreamIdMember,
    state: Type.Optional(Type.String({ description: 'Echoed in the event.', examples: ['VGhpcyBpcyA='] })),
  },
  { ...open, $id: 'SsfVerify' },
);

export const OptionalIdQuery = Type.Object({ stream_id: Type.Optional(Type.String()) }, open);
export const IdQuery = Type.Object({ stream_id: Type.String() }, open);

export const pollUrlOf = (issuer: string, id: StreamId): string => `${issuer}/ssf/poll/${id}`;

/** Everything but the secret of its pushes. */
export const toConfiguration = (stream: Stream, issuer: string): Configuration => ({
  stream_id: stream.id,
  iss: issuer,
  aud: stream.aud,
  delivery: {
    method: deliveryMethods[stream.delivery.method],
    endpoint_url:
      stream.delivery.method === 'push' ? stream.delivery.endpointUrl : pollUrlOf(issuer, stream.id),
  },
  events_supported: [...eventsSupported],
  ...(stream.eventsRequested === undefined ? {} : { events_requested: [...stream.eventsRequested] }),
  events_delivered: [...stream.eventsDelivered],
  ...(stream.description === undefined ? {} : { description: stream.description }),
  min_verification_interval: stream.minVerificationIntervalSeconds,
  ...(stream.inactivityTimeoutSeconds === undefined
    ? {}
    : { inactivity_timeout: stream.inactivityTimeoutSeconds }),
});

export const toStatus = ({ id, status, statusReason }: Stream): Static<typeof StatusReply> => ({
  stream_id: id,
  status,
  ...(statusReason === undefined ? {} : { reason: statusReason }),
});

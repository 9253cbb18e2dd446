import { Type, type Static } from 'typebox';
import { type DeliveryDetail, type DeliveryRecord, deliveryStates } from './delivery-ports.ts';

const OpenObject = Type.Object({}, { additionalProperties: true });

/** UTF-16 code units of what a filter may say. */
const filterMax = 512;

export const deliveryFilter = {
  event_type: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: filterMax,
      description: 'Short name or URI.',
      examples: ['session-revoked'],
    }),
  ),
  subject: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: filterMax,
      description: 'A principal such as `agent:build-runner`, or any value in the subject of the SET.',
      examples: ['jdoe@example.com'],
    }),
  ),
  signal_id: Type.Optional(
    Type.String({ minLength: 1, maxLength: 64, description: 'What this signal caused.' }),
  ),
  since_ms: Type.Optional(
    Type.Integer({ minimum: 0, description: 'Made then or later.', examples: [1_763_764_000_000] }),
  ),
};
export const stateFilter = {
  state: Type.Optional(Type.Enum([...deliveryStates])),
};

export const DeliveryReply = Type.Object(
  {
    jti: Type.String(),
    state: Type.Enum([...deliveryStates]),
    event_type: Type.String(),
    principal: Type.String({ description: 'SETs of one principal arrive in order.' }),
    subject: OpenObject,
    signal_id: Type.Optional(Type.String()),
    attempts: Type.Integer({ description: 'Pushes, or polls that it was handed out to.' }),
    created_at_ms: Type.Integer(),
    due_at_ms: Type.Optional(Type.Integer({ description: 'Of a pending one: not tried before.' })),
    first_sent_at_ms: Type.Optional(Type.Integer()),
    settled_at_ms: Type.Optional(Type.Integer({ description: 'Delivered, dead or cancelled then.' })),
    answer: Type.Optional(
      Type.Object(
        {
          status: Type.Optional(Type.Integer()),
          err: Type.Optional(Type.String()),
          description: Type.Optional(Type.String()),
        },
        { description: 'The last word of the receiver, or what came instead of one.' },
      ),
    ),
  },
  { $id: 'Delivery' },
);

export const DeliveryDetailReply = Type.Object(
  {
    ...DeliveryReply.properties,
    kid: Type.Optional(
      Type.String({ description: 'The key that signed it; absent: it was not signed yet.' }),
    ),
    claims: Type.Object({}, { additionalProperties: true, description: 'Of the SET, as they are signed.' }),
  },
  { $id: 'DeliveryDetail' },
);

export const toDeliveryReply = (record: DeliveryRecord): Static<typeof DeliveryReply> => ({
  jti: record.id,
  state: record.state,
  event_type: record.eventType,
  principal: record.principal,
  subject: record.subject,
  ...(record.signalId === undefined ? {} : { signal_id: record.signalId }),
  attempts: record.attempts,
  created_at_ms: record.createdAtMs,
  ...(record.dueAtMs === undefined ? {} : { due_at_ms: record.dueAtMs }),
  ...(record.firstSentAtMs === undefined ? {} : { first_sent_at_ms: record.firstSentAtMs }),
  ...(record.settledAtMs === undefined ? {} : { settled_at_ms: record.settledAtMs }),
  ...(record.answer === undefined ? {} : { answer: record.answer }),
});

export const toDetailReply = (record: DeliveryDetail): Static<typeof DeliveryDetailReply> => ({
  ...toDeliveryReply(record),
  ...(record.kid === undefined ? {} : { kid: record.kid }),
  claims: record.claims,
});

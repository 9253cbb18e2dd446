import { createHash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { canonicalJson } from '../core/canonical-json.ts';
import { findEventType } from '../core/events/event-types.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import { confidences } from '../core/signal.ts';
import type { Json, JsonObject } from '../core/vocabulary.ts';
import { fieldErrors } from '../http/validation-errors.ts';
import type { SaidSignal } from '../pipeline/ports.ts';
import type { MappedSignal } from './ports.ts';

/** Of an idempotency key, as at POST /v1/signals. */
const idMax = 128;

/** What a mapping gives for one signal: the body of POST /v1/signals. */
export const MappedSignalShape = Type.Object(
  {
    event: Type.String({ minLength: 1, maxLength: 256 }),
    subject: Type.Object({}, { additionalProperties: true }),
    data: Type.Optional(Type.Object({}, { additionalProperties: true })),
    event_timestamp: Type.Optional(Type.Number({ minimum: 0, maximum: 100_000_000_000 })),
    confidence: Type.Optional(Type.Enum([...confidences])),
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000 })),
    id: Type.Optional(Type.String({ minLength: 1, maxLength: idMax })),
    txn: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  },
  { additionalProperties: false, $id: 'MappedSignal' },
);

const shape = Compile(MappedSignalShape);

/** @throws Problem `invalid-request` with pointers into the value; `source-not-allowed` for an order. */
export function toMappedSignal(value: Json): MappedSignal {
  if (!shape.Check(value)) {
    throw new Problem('invalid-request', 'What the mapping gives is no signal.', {
      hint: 'A signal has `event` and `subject`, and may have data, event_timestamp, confidence, reason, id, txn.',
      errors: fieldErrors(shape.Errors(value)),
    });
  }
  refuseOrder(value.event);
  return toPorts(value);
}

/** A sender reports what happened. What follows from it is not its to say. */
function refuseOrder(event: string): void {
  const name = findEventType(event)?.name;
  if (name !== 'revocation-ordered' && name !== 'revocation-lifted') return;
  throw new Problem('source-not-allowed', `A hook does not order: ${name} is for callers with a token.`, {
    hint: 'Map to what happened, such as behavior-anomaly with confidence high.',
    errors: [{ path: '/event', message: 'is an order' }],
  });
}

const toPorts = (value: Static<typeof MappedSignalShape>): MappedSignal => value as MappedSignal;

/** As the pipeline is told it. Kept as evidence is what was mapped; the sender's bytes may hold what nobody may keep. */
export function saidOf(
  { event, subject, data, event_timestamp, confidence, reason, txn, id }: MappedSignal,
  delivery: string,
  index: number,
): Omit<SaidSignal, 'source' | 'actor' | 'correlationId'> {
  const mapped: JsonObject = {
    event,
    subject,
    ...(data === undefined ? {} : { data }),
    ...(event_timestamp === undefined ? {} : { event_timestamp }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(reason === undefined ? {} : { reason }),
    ...(txn === undefined ? {} : { txn }),
  };
  return {
    body: Buffer.from(canonicalJson(mapped)),
    event,
    subject,
    externalId: id ?? shortened(`${delivery}#${index}`),
    ...(data === undefined ? {} : { data }),
    ...(event_timestamp === undefined ? {} : { eventTime: event_timestamp }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(reason === undefined ? {} : { reason }),
    ...(txn === undefined ? {} : { txn }),
  };
}

const shortened = (id: string): string =>
  id.length <= idMax ? id : `sha256:${createHash('sha256').update(id).digest('base64url')}`;

export const errorsText = (errors: readonly FieldError[]): string =>
  errors.map(({ path, message }) => `${path || 'it'} ${message}`).join('; ');

import { Compile } from 'typebox/compile';
import type { Static } from 'typebox';
import { findEventType, isOrder } from '../core/events/event-types.ts';
import { Problem } from '../core/problem.ts';
import type { Statement } from '../core/signal.ts';
import type { Json, JsonObject } from '../core/vocabulary.ts';
import { may, type Caller } from '../http/caller.ts';
import { fieldErrors } from '../http/validation-errors.ts';
import type { MakeStatement } from '../pipeline/ports.ts';
import { SignalBody } from './schemas.ts';

/** One signal as it came through our door. */
export type Said = {
  readonly caller: Caller;
  readonly body: Static<typeof SignalBody>;
  /** As received: what `id` is compared by. */
  readonly bytes: Uint8Array;
  readonly correlationId: string;
};

const validator = Compile(SignalBody);

/** @throws Problem `invalid-request`, as the route answers it for a body of one signal. */
export function requireSignalBody(value: Json): Static<typeof SignalBody> {
  if (validator.Check(value)) return value;
  throw new Problem('invalid-request', 'The line is not valid.', {
    errors: fieldErrors(validator.Errors(value)),
  });
}

/** @throws Problem those of `MakeStatement`, and `insufficient-scope` for an order of a caller who may only report. */
export function statementOf(makeStatement: MakeStatement, said: Said): Statement {
  const { body, caller, bytes, correlationId } = said;
  refuseOrderWithoutScope(body.event, caller);
  return makeStatement({
    source: caller.source,
    actor: caller.actor,
    body: bytes,
    event: body.event,
    subject: body.subject as JsonObject,
    correlationId,
    ...(body.data === undefined ? {} : { data: body.data as JsonObject }),
    ...(body.event_timestamp === undefined ? {} : { eventTime: body.event_timestamp }),
    ...(body.confidence === undefined ? {} : { confidence: body.confidence }),
    ...(body.reason === undefined ? {} : { reason: body.reason }),
    ...(body.id === undefined ? {} : { externalId: body.id }),
    ...(body.txn === undefined ? {} : { txn: body.txn }),
  });
}

/** Who may report what happened may not therefore order what follows, nor lift what others ordered. */
function refuseOrderWithoutScope(event: string, caller: Caller): void {
  const type = findEventType(event);
  if (type === undefined || !isOrder(type) || may(caller, 'revocations.write')) return;
  throw new Problem('insufficient-scope', `${type.name} is an order: it needs the scope revocations.write.`, {
    hint: 'Report what happened instead, or ask somebody who may order.',
    errors: [{ path: '/event', message: 'needs the scope revocations.write' }],
    extra: { scope: 'revocations.write' },
  });
}

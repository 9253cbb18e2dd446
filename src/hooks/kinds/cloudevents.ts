import { Problem } from '../../core/problem.ts';
import type { Json, JsonObject } from '../../core/vocabulary.ts';
import { parseJson } from '../../http/json-body.ts';
import type { HookKind, HookRequest } from '../kind.ts';
import { bodyDelivery, isObject, secretInHeader, sha256, verifyHeader } from '../verify.ts';

/** Context attributes that are read of a header. Extensions are not. */
const attributes = ['specversion', 'id', 'source', 'type', 'subject', 'time', 'dataschema'] as const;

/**
 * Binary, structured and batched mode; an event that is sent again has the same `source` and `id`.
 *
 * @see CloudEvents 1.0.2, HTTP protocol binding §3; HTTP Webhooks §3.1 (`Authorization`)
 */
export const cloudEvents: HookKind = {
  name: 'cloudevents',
  title: 'CloudEvents over HTTP',
  proof: 'a header',
  reference: 'https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md',
  secret: secretInHeader,
  options: ['header', 'issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify: verifyHeader,
  read: readEvents,
  deliveryOf: (request) => bodyDelivery(request),
  passes: [],
  mapping:
    '$map($, function($event) { $signal($merge([{"event": $event.type}, $event.data]), {"time": $event.time, "id": $event.delivery}) })',
};

/** Whatever the mode: an array of events in the JSON format, each with `delivery`, which names it. */
function readEvents(request: HookRequest): Json {
  const type = (request.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/cloudevents+json') return [withDelivery(parseJson(request.body))];
  if (type === 'application/cloudevents-batch+json') {
    const batch = parseJson(request.body);
    if (!Array.isArray(batch)) throw noEvent();
    return batch.map(withDelivery);
  }
  return [withDelivery(binaryEvent(request, type))];
}

function binaryEvent(request: HookRequest, type: string): JsonObject {
  const isJson = type === 'application/json' || type.endsWith('+json') || type === '';
  if (!isJson) {
    throw new Problem('unsupported-media-type', 'The data of the event is not JSON.', {
      hint: 'Send application/json, application/cloudevents+json or application/cloudevents-batch+json.',
    });
  }
  const told = attributes.flatMap((name) => {
    const value = request.header(`ce-${name}`);
    return value === undefined ? [] : [[name, decoded(value)]];
  });
  return {
    ...(Object.fromEntries(told) as JsonObject),
    ...(request.body.byteLength === 0 ? {} : { data: parseJson(request.body) }),
  };
}

/** @see CloudEvents HTTP protocol binding §3.1.3.2 */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function withDelivery(event: Json): JsonObject {
  if (!isObject(event)) throw noEvent();
  const { specversion, id, source, type } = event;
  const isWhole = [id, source, type].every((one) => typeof one === 'string' && one !== '');
  if (specversion !== '1.0' || !isWhole) throw noEvent();
  return { ...event, delivery: sha256(JSON.stringify([source, id])).toString('base64url') };
}

const noEvent = (): Problem =>
  new Problem(
    'invalid-request',
    'The body is no CloudEvent 1.0: specversion, id, source or type is missing.',
  );

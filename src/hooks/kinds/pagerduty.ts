import type { Json } from '../../core/vocabulary.ts';
import type { HookKind } from '../kind.ts';
import {
  authentic,
  bodyDelivery,
  hmacSha256,
  isObject,
  isSignedBySecret,
  json,
  notAuthentic,
} from '../verify.ts';

/**
 * What responders write into custom fields of an incident: a kill that a person confirmed.
 *
 * @see https://docs.pagerduty.com/developer/verifying-webhook-signatures
 */
export const pagerduty: HookKind = {
  name: 'pagerduty',
  title: 'PagerDuty webhook subscription (v3)',
  proof: '`X-PagerDuty-Signature`: HMAC-SHA256 of the body',
  reference: 'https://docs.pagerduty.com/developer/verifying-webhook-signatures',
  secret: {
    made: 'there',
    shape: /^[\x21-\x7e]{16,256}$/,
    wants: 'what PagerDuty showed when the webhook was added',
  },
  options: ['issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify(request, context) {
    const header = request.header('x-pagerduty-signature');
    if (header === undefined) return notAuthentic;
    const given = header.split(',').map((one) => one.trim());
    const sign = (secret: string) => `v1=${hmacSha256(secret, 'hex', request.body)}`;
    return isSignedBySecret(context, given, sign) ? authentic : notAuthentic;
  },
  deliveryOf: (request, body) => eventIdOf(body) ?? bodyDelivery(request),
  passes: [],
  mapping: `event[event_type = "incident.custom_field_values.updated"].(
  $row := $merge(data.custom_fields[$type(value) = "string"].{name: value});
  $row.event ? $signal($row, {
    "time": occurred_at,
    "reason": "PagerDuty incident " & data.incident.id & ", by " & agent.summary
  })
)`,
  // After enough failures PagerDuty disables the subscription.
  answer: ({ kind }) => (kind === 'unmappable' ? json(202, { accepted: 0 }) : undefined),
};

/** Signed with the rest of the body, and the same at every attempt. */
function eventIdOf(body: Json): string | undefined {
  const event = isObject(body) ? body['event'] : undefined;
  const id = isObject(event) ? event['id'] : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

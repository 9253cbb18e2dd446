import type { HookKind } from '../kind.ts';
import {
  authentic,
  bodyDelivery,
  hmacSha256,
  isSignedBySecret,
  isTimely,
  notAuthentic,
  secretInHeader,
  stale,
} from '../verify.ts';

/**
 * A Fusion SOAR workflow with the action Call webhook. Whom it means is a sensor: an opaque identifier.
 *
 * @see CrowdStrike Store, "Webhook": base64 of HMAC-SHA256 over the body and the delivery time
 */
export const crowdstrike: HookKind = {
  name: 'crowdstrike',
  title: 'CrowdStrike Falcon Fusion SOAR webhook',
  proof: '`X-CS-Primary-Signature`: HMAC-SHA256 of the body and its time',
  reference: 'https://marketplace.crowdstrike.com/listings/webhook',
  secret: secretInHeader,
  options: ['toleranceSeconds', 'issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify(request, context) {
    const signature = request.header('x-cs-primary-signature');
    const time = request.header('x-cs-delivery-timestamp');
    if (signature === undefined || time === undefined) return notAuthentic;
    const sign = (secret: string) => hmacSha256(secret, 'base64', request.body, time);
    if (!isSignedBySecret(context, [signature], sign)) return notAuthentic;
    return isTimely(Date.parse(time) / 1_000, context) ? authentic : stale;
  },
  deliveryOf: bodyDelivery,
  passes: [],
  mapping: `(
  $severity := $lowercase(data.\`detections.severity\`);
  $severity in ["critical", "high", "medium"] ? {
    "event": "risk-level-change",
    "subject": {"format": "opaque", "id": data.\`devices.id\`},
    "data": {"principal": "DEVICE", "current_level": $severity = "medium" ? "MEDIUM" : "HIGH"},
    "reason": "Falcon detection " & data.\`detections.id\` & " (" & data.\`detections.technique\` & ")"
  }
)`,
};

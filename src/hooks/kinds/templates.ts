import type { HookKind } from '../kind.ts';
import { bodyDelivery, bodyDeliveryForNow, secretInHeader, verifyHeader } from '../verify.ts';

/** Senders that bring a secret in a header, and a body that their operator writes. */
const byHeader = {
  proof: 'a header',
  secret: secretInHeader,
  options: ['header', 'issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify: verifyHeader,
  passes: [],
} as const satisfies Partial<HookKind>;

/** A playbook (Logic App) posts the incident as its trigger has it. */
export const sentinel: HookKind = {
  ...byHeader,
  name: 'sentinel',
  title: 'Microsoft Sentinel playbook',
  reference: 'https://learn.microsoft.com/en-us/azure/sentinel/playbook-triggers-actions',
  deliveryOf: bodyDelivery,
  mapping: `(
  $incident := object.properties ? object : $;
  $level := $incident.properties.severity = "High" ? "HIGH" : "MEDIUM";
  $reason := "Sentinel incident " & $incident.properties.incidentNumber & ": " & $substring($incident.properties.title, 0, 500);
  $incident.properties[severity in ["High", "Medium"] and status != "Closed"].relatedEntities[kind = "Account" and properties.aadUserId].{
    "event": "risk-level-change",
    "subject": $subject({"sub": properties.aadUserId}),
    "data": {"principal": "USER", "current_level": $level},
    "reason": $reason
  }
)`,
};

/** The Webhook connector posts what the rule's action says: rows, as in examples/soc/elastic. */
export const elastic: HookKind = {
  ...byHeader,
  name: 'elastic',
  title: 'Elastic (Kibana) webhook connector',
  reference: 'https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type',
  deliveryOf: bodyDeliveryForNow,
  mapping: 'rows[$count($keys($)) > 0].$signal($, {"reason": $$.rule, "time": $$.date})',
};

/** The Webhooks integration posts what its payload template says; who is meant is in the tags. */
export const datadog: HookKind = {
  ...byHeader,
  name: 'datadog',
  title: 'Datadog webhooks integration',
  reference: 'https://docs.datadoghq.com/integrations/webhooks/',
  deliveryOf: bodyDeliveryForNow,
  mapping: `(
  $row := $merge($split(tags, ",")[$contains($, ":")].{$trim($substringBefore($, ":")): $trim($substringAfter($, ":"))});
  transition in ["Triggered", "Re-Triggered"] ? $signal($row, {"reason": $substring(title, 0, 500), "time": $number(date) / 1000})
)`,
};

/** A step of a build, or a policy webhook, posts what it verified. */
export const admission: HookKind = {
  ...byHeader,
  name: 'admission',
  title: 'Image verification (cosign, admission policies)',
  reference: 'https://docs.sigstore.dev/cosign/verifying/verify/',
  deliveryOf: bodyDeliveryForNow,
  mapping: `$[verified = false].$signal($merge([$, {"event": "build-untrusted"}]), {
  "uri": repository,
  "data": $merge([
    repository ? {"repository": $substring(repository, 0, 256)} : {},
    revision ? {"revision": $substring(revision, 0, 256)} : {},
    digest ? {"image_digest": $substring(digest, 0, 256)} : {}
  ])
})`,
};

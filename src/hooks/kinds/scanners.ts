import type { HookKind } from '../kind.ts';
import { bodyDelivery, secretInHeader, verifyHeader } from '../verify.ts';

/** Programs that bring a secret in a header, and a body of their own. */
const byHeader = {
  proof: 'a header',
  secret: secretInHeader,
  options: ['header', 'issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify: verifyHeader,
  deliveryOf: bodyDelivery,
  passes: [],
} as const satisfies Partial<HookKind>;

/** Reports of a cluster. Who is meant is a workload, as the URI `k8s:<namespace>/<kind>/<name>`. */
export const trivy: HookKind = {
  ...byHeader,
  name: 'trivy',
  title: 'Trivy Operator',
  reference: 'https://aquasecurity.github.io/trivy-operator/latest/tutorials/integrations/webhook',
  mapping: `(
  $report := operatorObject ? operatorObject : $;
  $labels := $report.metadata.labels;
  $subject := {"format": "uri", "uri": "k8s:" & $labels.\`trivy-operator.resource.namespace\`
    & "/" & $lowercase($labels.\`trivy-operator.resource.kind\`) & "/" & $labels.\`trivy-operator.resource.name\`};
  $digest := $report.report.artifact.digest;
  $critical := $report.report.vulnerabilities[severity = "CRITICAL"];
  $secrets := $report.report.secrets[severity in ["CRITICAL", "HIGH"]];
  verb = "delete" ? [] :
  $report.kind = "VulnerabilityReport" and $count($critical) > 0 ? {
    "event": "host-vulnerable",
    "subject": $subject,
    "data": $merge([{"vulnerability": $critical[0].vulnerabilityID}, $digest ? {"image_digest": $digest} : {}]),
    "reason": $string($count($critical)) & " critical vulnerabilities in " & $report.report.artifact.repository
  } :
  $report.kind = "ExposedSecretReport" and $count($secrets) > 0 ? {
    "event": "credential-compromise",
    "subject": $subject,
    "data": {"credential_type": "app"},
    "reason": "a secret is in the image: " & $secrets[0].ruleID
  }
)`,
};

/** Who is meant is a project, as the URI `urn:uuid:<uuid>`. */
export const dependencyTrack: HookKind = {
  ...byHeader,
  name: 'dependency-track',
  title: 'Dependency-Track',
  reference: 'https://docs.dependencytrack.org/integrations/notifications/',
  mapping: `(
  $vulnerability := notification.subject.vulnerability;
  notification.group in ["NEW_VULNERABILITY", "NEW_VULNERABLE_DEPENDENCY"]
    ? ($vulnerability ? notification.subject.affectedProjects[$vulnerability.severity = "CRITICAL"].{
      "event": "host-vulnerable",
      "subject": {"format": "uri", "uri": "urn:uuid:" & uuid},
      "data": {"vulnerability": $vulnerability.vulnId},
      "reason": $vulnerability.vulnId & " in " & name
    } : notification.subject.vulnerabilities[severity = "CRITICAL"].{
      "event": "host-vulnerable",
      "subject": {"format": "uri", "uri": "urn:uuid:" & $$.notification.subject.project.uuid},
      "data": {"vulnerability": vulnId},
      "reason": vulnId & " in " & $$.notification.subject.project.name
    })
)`,
};

/** Who is meant is a pod, as the URI `k8s:<namespace>/pod/<name>`; without one, nobody. */
export const falco: HookKind = {
  ...byHeader,
  name: 'falco',
  title: 'Falco (falcosidekick, or http_output)',
  reference: 'https://github.com/falcosecurity/falcosidekick/blob/master/docs/outputs/webhook.md',
  mapping: `(
  $pod := output_fields.\`k8s.pod.name\`;
  $priority := $lowercase(priority);
  $pod and $priority in ["emergency", "alert", "critical", "error"] ? {
    "event": "behavior-anomaly",
    "subject": {"format": "uri", "uri": "k8s:" & output_fields.\`k8s.ns.name\` & "/pod/" & $pod},
    "confidence": $priority = "error" ? "medium" : "high",
    "event_timestamp": $toMillis(time) / 1000,
    "reason": "Falco rule " & rule
  }
)`,
};

import type { HookKind } from '../kind.ts';
import {
  authentic,
  bodyDelivery,
  hmacSha256,
  isSignedBySecret,
  notAuthentic,
  secretInHeader,
} from '../verify.ts';

/** @see GitHub docs, "Validating webhook deliveries" */
export const github: HookKind = {
  name: 'github',
  title: 'GitHub webhook of a repository, organization or app',
  proof: '`X-Hub-Signature-256`: HMAC-SHA256 of the body',
  reference: 'https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries',
  secret: secretInHeader,
  options: ['issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify(request, context) {
    const signature = request.header('x-hub-signature-256');
    if (signature === undefined) return notAuthentic;
    const sign = (secret: string) => `sha256=${hmacSha256(secret, 'hex', request.body)}`;
    return isSignedBySecret(context, [signature], sign) ? authentic : notAuthentic;
  },
  // X-GitHub-Delivery is not signed: who replays a request could give it another one.
  deliveryOf: bodyDelivery,
  passes: ['x-github-event', 'x-github-delivery', 'x-github-hook-id'],
  mapping: `(
  $event := $headers.\`x-github-event\`;
  $repository := {"format": "uri", "uri": repository.html_url};
  $event = "secret_scanning_alert" and action in ["created", "reopened", "publicly_leaked"] ? {
    "event": "credential-compromise",
    "subject": $repository,
    "data": {"credential_type": $substring(alert.secret_type, 0, 64)},
    "reason": "secret scanning alert " & alert.html_url
  } :
  $event = "dependabot_alert" and action in ["created", "reopened", "reintroduced"]
    and alert.security_advisory.severity = "critical" ? {
    "event": "host-vulnerable",
    "subject": $repository,
    "data": {"vulnerability": alert.security_advisory.cve_id ? alert.security_advisory.cve_id : alert.security_advisory.ghsa_id},
    "reason": "Dependabot alert " & alert.html_url
  } :
  $event = "repository" and action in ["deleted", "transferred"] ? {
    "event": "build-untrusted",
    "subject": $repository,
    "data": {"repository": repository.html_url},
    "reason": "the repository was " & action
  } :
  $event = "organization" and action = "member_removed" ? {
    "event": "owner-departed",
    "subject": {"format": "uri", "uri": membership.user.html_url},
    "reason": "no member of " & organization.login & " any more"
  }
)`,
};

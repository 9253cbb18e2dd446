import type { Json } from '../../core/vocabulary.ts';
import type { HookKind } from '../kind.ts';
import { bodyDelivery, isObject, json, secretInHeader, verifyHeader } from '../verify.ts';

/** Longer is no challenge of Okta's. */
const challengeMax = 512;

/** @see https://developer.okta.com/docs/concepts/event-hooks/ */
export const okta: HookKind = {
  name: 'okta',
  title: 'Okta event hook',
  proof: 'a header; answers the challenge',
  reference: 'https://developer.okta.com/docs/concepts/event-hooks/',
  secret: secretInHeader,
  options: ['header', 'issuer'],
  // GET of the hook itself shows it to people.
  takes: (tail) => tail === 'events',
  tailOf: () => 'events',
  verify: verifyHeader,
  confirm({ method, header }) {
    if (method === 'POST') return undefined;
    const verification = header('x-okta-verification-challenge') ?? '';
    return json(200, { verification: verification.slice(0, challengeMax) });
  },
  deliveryOf: (request, body) => eventIdOf(body) ?? bodyDelivery(request),
  passes: [],
  mapping: `(
  $user := function($event) { $event.target[type = "User"][0].alternateId };
  $app := function($event) { $event.target[type in ["AppInstance", "PublicClientApp"]][0].id };
  $means := {
    "user.session.clear": "session-revoked",
    "user.lifecycle.deactivate": "account-disabled",
    "user.lifecycle.suspend": "account-disabled",
    "user.lifecycle.activate": "account-enabled",
    "user.lifecycle.reactivate": "account-enabled",
    "user.lifecycle.unsuspend": "account-enabled",
    "user.lifecycle.delete.completed": "account-purged",
    "user.account.report_suspicious_activity_by_enduser": "credential-compromise",
    "application.lifecycle.deactivate": "account-disabled",
    "application.lifecycle.activate": "account-enabled",
    "application.lifecycle.delete": "account-purged"
  };
  data.events[outcome.result = "SUCCESS"].(
    $event := $;
    $name := $lookup($means, eventType);
    $name ? {
      "event": $name,
      "subject": $substringBefore(eventType, ".") = "application"
        ? $subject({"client_id": $app($event)}) : $subject({"sub": $user($event)}),
      "event_timestamp": $toMillis(published) / 1000,
      "reason": "Okta: " & displayMessage,
      "id": uuid
    }
  )
)`,
};

function eventIdOf(body: Json): string | undefined {
  const id = isObject(body) ? body['eventId'] : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

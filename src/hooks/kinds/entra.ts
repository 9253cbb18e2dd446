import { randomBytes } from 'node:crypto';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { Json } from '../../core/vocabulary.ts';
import { parseJson } from '../../http/json-body.ts';
import type { HookKind } from '../kind.ts';
import { authentic, isObject, isSecretOf, json, notAuthentic, sha256 } from '../verify.ts';

const secretBytes = 32;
/** Longer is no token of Microsoft's. */
const validationTokenMax = 2_048;

/**
 * Change notifications of Microsoft Graph: who sends them proves it by the `clientState` of the subscription, in the body.
 *
 * @see https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
 */
export const entra: HookKind = {
  name: 'entra',
  title: 'Microsoft Entra (Graph change notifications)',
  proof: '`clientState` in the body; answers the validation token',
  reference: 'https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks',
  secret: {
    made: 'here',
    make: () => randomBytes(secretBytes).toString('base64url'),
    shape: /^[\x21-\x7e]{24,128}$/,
    wants: '24 to 128 printable ASCII characters: Graph takes no longer clientState',
  },
  options: ['issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  greet({ query }) {
    const token = query('validationToken');
    if (token === undefined || token.length > validationTokenMax) return undefined;
    return { status: 200, type: 'text/plain; charset=utf-8', body: token };
  },
  verify(request, context) {
    const states = notificationsIn(parsed(request.body)).map((one) =>
      isObject(one) ? one['clientState'] : undefined,
    );
    const areOurs = states.map((state) => typeof state === 'string' && isSecretOf(context, state));
    return areOurs.length > 0 && !areOurs.includes(false) ? authentic : notAuthentic;
  },
  notice(body) {
    const told = notificationsIn(body).flatMap((one) => {
      const event = isObject(one) ? one['lifecycleEvent'] : undefined;
      return typeof event === 'string' ? [event] : [];
    });
    return told.length === 0
      ? undefined
      : `Microsoft Graph says of the subscription: ${told.join(', ')}. Renew it.`;
  },
  deliveryOf: (_request, body) => deliveryOf(body),
  passes: [],
  mapping: `value[changeType = "deleted" and $contains($lowercase(resource), "users")].{
  "event": "account-purged",
  "subject": $subject({"sub": resourceData.id}),
  "reason": "the user was deleted in Entra"
}`,
  // Graph throttles, and then drops, what fails too often.
  answer: ({ kind }) => (kind === 'unmappable' ? json(202, { accepted: 0 }) : undefined),
};

/** The same notification, whatever its subscription proves itself by since. */
function deliveryOf(body: Json): string {
  const told = notificationsIn(body).map((one) => (isObject(one) ? { ...one, clientState: null } : one));
  return sha256(canonicalJson(told)).toString('base64url');
}

/** What proves the sender is in the body: nothing else of it is looked at before. */
function parsed(body: Uint8Array): Json {
  try {
    return parseJson(body);
  } catch {
    return null;
  }
}

function notificationsIn(body: Json): readonly Json[] {
  const value = isObject(body) ? body['value'] : undefined;
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

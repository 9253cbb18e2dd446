import { Problem } from '../../core/problem.ts';
import type { Json } from '../../core/vocabulary.ts';
import { parseJson } from '../../http/json-body.ts';
import type { HookAnswer, HookKind, Outcome } from '../kind.ts';
import { authentic, bodyDeliveryForNow, isSecretOf, json, notAuthentic, secretInHeader } from '../verify.ts';

/** Events of one request; the mapping may give fewer signals than there are. */
const eventsMax = 1_000;

const prefix = 'services/collector';
const eventPaths: ReadonlySet<string> = new Set([prefix, `${prefix}/event`, `${prefix}/event/1.0`]);
const healthPaths: ReadonlySet<string> = new Set([`${prefix}/health`, `${prefix}/health/1.0`]);

/**
 * What forwards to Splunk's HTTP Event Collector forwards here: its paths, its header, its answers.
 *
 * @see https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector
 */
export const splunkHec: HookKind = {
  name: 'splunk-hec',
  title: 'Splunk HTTP Event Collector client',
  proof: '`Authorization: Splunk <token>`',
  reference:
    'https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/http-event-collector-rest-api-endpoints',
  secret: secretInHeader,
  options: ['issuer'],
  takes: (tail, method) => (method === 'POST' ? eventPaths : healthPaths).has(tail),
  ownsPath: (tail) => tail === prefix || tail.startsWith(`${prefix}/`),
  tailOf: () => `${prefix}/event`,
  greet: ({ method }) => (method === 'GET' ? json(200, { text: 'HEC is healthy', code: 17 }) : undefined),
  verify(request, context) {
    const [, token] = /^Splunk +([^ ]+)$/i.exec(request.header('authorization') ?? '') ?? [];
    return token !== undefined && isSecretOf(context, token) ? authentic : notAuthentic;
  },
  read: ({ body }) => readEvents(Buffer.from(body).toString('utf8')),
  deliveryOf: bodyDeliveryForNow,
  passes: [],
  mapping: '$[$type(event) = "object"].$signal(event, {"time": time})',
  answer,
};

/** @see "Possible error codes" of the collector */
function answer(outcome: Outcome): HookAnswer | undefined {
  if (outcome.kind === 'unauthentic') {
    return outcome.presented
      ? json(403, { text: 'Invalid token', code: 4 })
      : json(401, { text: 'Token is required', code: 2 });
  }
  if (outcome.kind === 'busy') return json(503, { text: 'Server is busy', code: 9 });
  if (outcome.kind === 'too-large') return json(413, { text: 'Content length is too large', code: 27 });
  if (outcome.kind === 'unreadable') return json(400, { text: 'Invalid data format', code: 6 });
  // Of an event that cannot be mapped the next attempt would say the same, and hold up all others.
  return json(200, { text: 'Success', code: 0 });
}

/** JSON objects, one after the other, with or without white space between them. */
function readEvents(text: string): Json {
  const events: Json[] = [];
  for (const part of objectsIn(text)) {
    if (events.length === eventsMax) {
      throw new Problem('invalid-request', `One request holds more than ${eventsMax} events.`);
    }
    events.push(parseJson(Buffer.from(part)));
  }
  return events;
}

/** Cuts at the braces that close an object of the first level; what is no object at all is left to the parser to refuse. */
function objectsIn(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let inText = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inText) {
      if (character === '\\') at += 1;
      else if (character === '"') inText = false;
    } else if (character === '"') inText = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth > 0) continue;
      parts.push(text.slice(start, at + 1));
      start = at + 1;
      depth = 0;
    }
  }
  const rest = text.slice(start);
  return rest.trim() === '' ? parts : [...parts, rest];
}

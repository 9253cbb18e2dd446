import { Problem } from '../core/problem.ts';
import type { Json } from '../core/vocabulary.ts';

/** Deeper JSON is refused: whoever walks it may do so by recursion. */
const jsonDepthMax = 32;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Where the JSON stands: it is the body, or one line of it. */
export type JsonPart = 'body' | 'line';

const hints: Readonly<Record<JsonPart, string>> = {
  body: 'Send one JSON object, in UTF-8, with Content-Type: application/json.',
  line: 'A line is one whole JSON object, in UTF-8.',
};

type Malformed = (why: string, cause?: unknown) => Problem;

/**
 * JSON of an unknown sender. Refused are: bytes that are not UTF-8, deep nesting, and members that become prototypes
 * as soon as somebody copies the object (`__proto__`, `constructor.prototype`).
 *
 * @throws Problem `malformed-json`
 */
export function parseJson(bytes: Uint8Array, part: JsonPart = 'body'): Json {
  const malformed = (why: string, cause?: unknown): Problem =>
    new Problem('malformed-json', `The ${part} cannot be read. ${why}`, { hint: hints[part], cause });
  const value = decode(bytes, malformed);
  const waiting: { readonly value: Json; readonly depth: number }[] = [{ value, depth: 1 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > jsonDepthMax) throw malformed(`It is nested deeper than ${jsonDepthMax} levels.`);
    refusePrototypes(value, malformed);
    for (const member of Object.values(value)) waiting.push({ value: member, depth: depth + 1 });
  }
  return value;
}

function decode(bytes: Uint8Array, malformed: Malformed): Json {
  try {
    return JSON.parse(decoder.decode(bytes)) as Json;
  } catch (cause) {
    throw malformed(cause instanceof SyntaxError ? 'It is not JSON.' : 'It is not UTF-8.', cause);
  }
}

function refusePrototypes(value: object, malformed: Malformed): void {
  if (Object.hasOwn(value, '__proto__')) throw malformed('It has a member named __proto__.');
  if (!Object.hasOwn(value, 'constructor')) return;
  const { constructor } = value as { constructor: unknown };
  if (typeof constructor === 'object' && constructor !== null && Object.hasOwn(constructor, 'prototype')) {
    throw malformed('It has a member named constructor.prototype.');
  }
}

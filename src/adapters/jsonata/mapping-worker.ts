/**
 * The thread that mappings run in. It is told one body after the other, answers each, and is ended from outside when one
 * takes too long. Says `ready` when it can be asked.
 */
import { parentPort } from 'node:worker_threads';
import jsonata from 'jsonata';
import type { JsonObject } from '../../core/vocabulary.ts';
import { mappedBytesMax } from '../../hooks/limits.ts';
import type { MappingAnswer, MappingQuestion } from './messages.ts';
import { signalOf, subjectOf } from './rows.ts';

/** Parsed mappings that are kept. */
const parsedMax = 200;

type Parsed = ReturnType<typeof jsonata>;
const parsed = new Map<string, Parsed>();

function parse(mapping: string): Parsed {
  const known = parsed.get(mapping);
  if (known !== undefined) return known;
  const fresh = jsonata(mapping);
  fresh.registerFunction('eval', () => {
    throw new Error('$eval is not here: a body must not become a program');
  });
  if (parsed.size >= parsedMax) parsed.clear();
  parsed.set(mapping, fresh);
  return fresh;
}

async function answer(question: MappingQuestion): Promise<MappingAnswer> {
  try {
    const expression = parse(question.mapping);
    if (question.op === 'check') return { kind: 'mapped', text: '[]' };
    const { body, context } = question;
    const value: unknown = await expression.evaluate(body, {
      headers: context.headers,
      issuer: context.issuer,
      subject: (row: JsonObject) => subjectOf(row, context.issuer),
      signal: (row: JsonObject, more?: JsonObject) => signalOf(row, more ?? {}, context.issuer),
    });
    return written(value);
  } catch (error) {
    return failureOf(error);
  }
}

function written(value: unknown): MappingAnswer {
  const values: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  const text = JSON.stringify(values);
  if (Buffer.byteLength(text) <= mappedBytesMax) return { kind: 'mapped', text };
  return {
    kind: 'failed',
    code: 'mapping-output',
    text: `The mapping gives more than ${mappedBytesMax} bytes.`,
  };
}

/** What JSONata says may quote the body: then only its code is told. */
function failureOf(error: unknown): MappingAnswer {
  const { code, message, position, value, value2 } = error as {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly position?: unknown;
    readonly value?: unknown;
    readonly value2?: unknown;
  };
  const quotes = value !== undefined || value2 !== undefined || code === 'D3137' || code === 'D3141';
  const named = typeof code === 'string' ? `JSONata ${code}` : 'The mapping failed';
  const said = typeof code === 'string' && typeof message === 'string' && !quotes ? `: ${message}` : '';
  return {
    kind: 'failed',
    code: 'mapping-error',
    text: `${named}${said}`.slice(0, 300),
    ...(typeof position === 'number' ? { position } : {}),
  };
}

// What one mapping does to a prototype would stay for all others.
for (const shared of [Object, Array, Function, String, Number, Promise, RegExp, Map, Set]) {
  Object.freeze(shared.prototype);
}
parentPort?.on('message', (question: MappingQuestion) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  void answer(question).then((given) => parentPort?.postMessage(given));
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
parentPort?.postMessage('ready');

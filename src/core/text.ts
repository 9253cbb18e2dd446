import { type FieldError, Problem } from './problem.ts';
import type { Json, JsonObject } from './vocabulary.ts';

export type JsonLimits = {
  /** Nesting: objects and arrays alike. */
  readonly depthMax: number;
  /** Members and elements, all levels together. */
  readonly nodesMax: number;
  /** UTF-16 code units of one string or member name. */
  readonly textMax: number;
};
/** Of open JSON that is taken from a caller and kept. */
const keptLimits: JsonLimits = { depthMax: 8, nodesMax: 1_000, textMax: 8_192 };
/** So many wrong places are named; the rest adds nothing. */
export const fieldErrorsMax = 20;

export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members that change what an object is instead of what it holds. */
const forbiddenMembers = new Set(['__proto__', 'constructor', 'prototype']);

/** In a Unicode pattern a pair is one character, so that only halves match. */
const halfSurrogate = /\p{Surrogate}/u;

/** Postgres stores neither U+0000 nor half a surrogate pair, and half a pair is no text anywhere else. */
export const isStorable = (text: string): boolean => !text.includes('\u0000') && !halfSurrogate.test(text);

/** One reference token of a JSON pointer. @see RFC 6901 §3 */
export const pointerTo = (path: string, member: string | number): string =>
  `${path}/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`;

export type JsonFaults = {
  /** Text that no store takes. */
  readonly unstorable: readonly FieldError[];
  /** Too deep, too much, too long, or a member that nobody may have. */
  readonly excessive: readonly FieldError[];
};

/** Where a value stands; made a pointer for the few that are at fault. */
type Place = { readonly within: Place; readonly name: string } | undefined;

const pathOf = (place: Place, root: string): string =>
  place === undefined ? root : pointerTo(pathOf(place.within, root), place.name);

/** Walks hostile JSON once and says what about it must not go further; `path` is where it stands in the request. */
export function findJsonFaults(
  value: Json,
  path: string,
  { depthMax, nodesMax, textMax }: JsonLimits = keptLimits,
): JsonFaults {
  const unstorable: FieldError[] = [];
  const excessive: FieldError[] = [];
  let nodes = 0;

  const note = (list: FieldError[], at: Place, message: string): void => {
    if (list.length < fieldErrorsMax) list.push({ path: pathOf(at, path), message });
  };
  const walkText = (text: string, at: Place): void => {
    if (text.length > textMax) note(excessive, at, `is longer than ${textMax} characters`);
    else if (!isStorable(text)) note(unstorable, at, 'holds U+0000 or half of a surrogate pair');
  };
  const walkMember = (name: string, child: Json, at: Place, depth: number): void => {
    if (forbiddenMembers.has(name)) note(excessive, at, 'is a member name that is never accepted');
    else if (name.length > textMax || !isStorable(name)) walkText(name, undefined);
    else walk(child, at, depth);
  };
  const walk = (node: Json, at: Place, depth: number): void => {
    nodes += 1;
    if (nodes > nodesMax) return;
    if (typeof node === 'string') return walkText(node, at);
    if (node === null || typeof node !== 'object') return;
    if (depth >= depthMax) return note(excessive, at, `nests deeper than ${depthMax} levels`);
    for (const [name, child] of Object.entries(node))
      walkMember(name, child, { within: at, name }, depth + 1);
  };

  walk(value, undefined, 0);
  if (nodes > nodesMax) note(excessive, undefined, `has more than ${nodesMax} members and elements`);
  return { unstorable, excessive };
}

/** @throws Problem `unstorable-text` or `invalid-request`, naming each place. */
export function refuseFaultyJson(value: Json, path = ''): void {
  const { unstorable, excessive } = findJsonFaults(value, path);
  if (unstorable.length > 0) throw unstorableText(unstorable);
  if (excessive.length > 0) {
    throw new Problem('invalid-request', 'The JSON is too large, too deep, or names a forbidden member.', {
      errors: excessive,
    });
  }
}

export const unstorableText = (errors: readonly FieldError[]): Problem =>
  new Problem('unstorable-text', 'Text holds characters that cannot be stored.', {
    hint: 'Send well-formed Unicode without U+0000.',
    errors,
  });

/**
 * A stranger's text as it may be stored, logged and shown: cut, and what moves a cursor, turns lines around or is half a
 * character is replaced.
 */
export const harmlessText = (text: string, lengthMax: number): string =>
  text.slice(0, lengthMax).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, '\u{fffd}');

import { type MatchMember, matchMembers } from '../core/revocation.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import { readFile } from 'node:fs/promises';
import { wrongUsage } from './cli-problem.ts';
import { spanText } from './text.ts';

const spanUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const spanShape = /^(\d{1,9})(ms|s|m|h|d)$/;
/** Of a file that is read whole. */
const fileBytesMax = 1_048_576;

/** Milliseconds of `500ms`, `5s`, `30m`, `2h`, `7d`. @throws CliProblem naming the option. */
export function parseSpan(option: string, text: string, mostMs = Number.POSITIVE_INFINITY): number {
  const [, amount, unit] = spanShape.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw wrongUsage(`${option} "${text}" is no time span.`, 'Write 500ms, 5s, 30m, 2h or 7d.');
  }
  const spanMs = Number(amount) * spanUnits[unit as keyof typeof spanUnits];
  if (spanMs <= mostMs) return spanMs;
  throw wrongUsage(`${option} ${text} is too long.`, `The most is ${spanText(mostMs)}.`);
}

/** @throws CliProblem for anything but a whole number from `minimum` on. */
export function parseCount(option: string, text: string, minimum = 0): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum) return value;
  throw wrongUsage(`${option} "${text}" is no whole number from ${minimum} on.`);
}

/** Collects an option that may be repeated; `--no-…` before it was `false`. */
export const several = (value: string, before?: readonly string[] | false): readonly string[] => [
  ...(before || []),
  value,
];

/**
 * A subject from `agent=NAME` or members of `match` as `KEY=VALUE`.
 *
 * @throws CliProblem for a key that no subject has, twice the same, or none at all.
 */
export function parseSubjectPairs(pairs: readonly string[]): { readonly [member: string]: string } {
  const subject = Object.fromEntries(readPairs(pairs, ['agent', ...matchMembers]));
  if (subject['agent'] !== undefined && Object.keys(subject).length > 1) {
    throw wrongUsage('agent=NAME stands alone.', 'To hit one key of an agent, name the key.');
  }
  return subject;
}

/** Members of `match` as `KEY=VALUE`. */
export const parseMatchPairs = (pairs: readonly string[]): { readonly [Member in MatchMember]?: string } =>
  Object.fromEntries(readPairs(pairs, matchMembers));

/** `KEY=VALUE` each, with a key that is known. */
export function readPairs<Key extends string>(
  pairs: readonly string[],
  keys: readonly Key[],
): ReadonlyMap<Key, string> {
  const found = new Map<Key, string>();
  for (const pair of pairs) {
    const split = pair.indexOf('=');
    const [name, value] = [pair.slice(0, split), pair.slice(split + 1)];
    const hint = `Known keys: ${keys.join(', ')}.`;
    if (split < 1) throw wrongUsage(`"${pair}" is not KEY=VALUE.`, hint);
    const key = keys.find((known) => known === name);
    if (key === undefined) throw wrongUsage(`There is no key "${name}".`, hint);
    if (value === '') throw wrongUsage(`${name} has no value.`);
    if (found.has(key))
      throw wrongUsage(`${name} is given twice.`, 'Every member given must match: name each once.');
    found.set(key, value);
  }
  if (found.size === 0)
    throw wrongUsage('Nobody is named.', `Give KEY=VALUE. Known keys: ${keys.join(', ')}.`);
  return found;
}

/** JSON as written, or `@FILE`. @throws CliProblem for anything but an object. */
export async function readJsonObject(option: string, text: string): Promise<JsonObject> {
  const json = text.startsWith('@') ? await readTextFile(option, text.slice(1)) : text;
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Not JSON is answered as JSON of another kind is.
  }
  throw wrongUsage(
    `${option} is not a JSON object.`,
    `Write ${option} '{"member": "value"}', or ${option} @FILE.`,
  );
}

/** A short file, as text. @throws CliProblem for one that cannot be read or is too long. */
export async function readTextFile(option: string, path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw wrongUsage(`${option}: ${path} cannot be read${why}.`);
  });
  if (bytes.length <= fileBytesMax) return bytes.toString('utf8');
  throw wrongUsage(`${option}: ${path} is longer than ${fileBytesMax} bytes.`);
}

/** Milliseconds of a date and time such as `2026-11-24T12:00:00Z`. @throws CliProblem */
export function parseTime(option: string, text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw wrongUsage(`${option} ${text} is not a time.`, 'Write it like 2026-11-24T12:00:00Z.');
}

/** Milliseconds of a time, or of so long before now: `2026-11-24T12:00:00Z`, `2h`. @throws CliProblem */
export const parseSince = (option: string, text: string, nowMs: number): number =>
  spanShape.test(text) ? Math.max(0, nowMs - parseSpan(option, text)) : parseTime(option, text);

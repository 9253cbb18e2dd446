import type { Json } from './vocabulary.ts';

/**
 * One text for equal JSON: no white space, members in the order of their UTF-16 code units, strings and numbers as
 * `JSON.stringify` writes them.
 *
 * @see RFC 8785 §3.2
 */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

import { matchMembers } from '../../core/revocation.ts';
import type { Json, JsonObject } from '../../core/vocabulary.ts';

/** Unique only within one issuer. */
const membersOfAnIssuer = ['sub', 'client_id', 'jti', 'sid'];

type Row = JsonObject | undefined;

/**
 * `$subject(row)`: whom a row of a search, a set of labels or tags means. Its `subject` if it is an object; else `agent`;
 * else its members of `match`; else `email`, `uri` or `opaque`. Empty ones do not count. Gives nothing where it names nobody.
 */
export function subjectOf(row: Row, issuer?: string): JsonObject | undefined {
  if (!isObject(row)) return undefined;
  const subject = own(row, 'subject');
  if (isObject(subject)) return subject;
  const agent = text(row, 'agent');
  if (agent !== undefined) return { agent };
  const match = Object.fromEntries(
    matchMembers.flatMap((member) => {
      const value = text(row, member);
      return value === undefined ? [] : [[member, value]];
    }),
  );
  const isNamed = Object.keys(match).some((member) => member !== 'iss');
  if (!isNamed) return identifierOf(row);
  const needsIssuer = match['iss'] === undefined && membersOfAnIssuer.some((member) => member in match);
  return needsIssuer && issuer !== undefined ? { iss: issuer, ...match } : match;
}

function identifierOf(row: JsonObject): JsonObject | undefined {
  const email = text(row, 'email');
  if (email !== undefined) return { format: 'email', email };
  const uri = text(row, 'uri');
  if (uri !== undefined) return { format: 'uri', uri };
  const id = text(row, 'opaque');
  return id === undefined ? undefined : { format: 'opaque', id };
}

/**
 * `$signal(row, more)`: the signal that a row says: `event` (behavior-anomaly if it has none), whom `$subject` finds,
 * `data`, `confidence`, `reason`, `id`, `txn`, and its time from `event_timestamp`, `_time` or `time` (seconds, as a number
 * or as text, or ISO 8601). What the row leaves out `more` fills in.
 */
export function signalOf(row: Row, more: JsonObject, issuer?: string): JsonObject {
  const whole: JsonObject = { ...more, ...(isObject(row) ? withoutEmpty(row) : {}) };
  const subject = subjectOf(whole, issuer);
  const data = own(whole, 'data');
  const time = timeOf(whole);
  return {
    event: text(whole, 'event') ?? 'behavior-anomaly',
    ...(subject === undefined ? {} : { subject }),
    ...(isObject(data) ? { data } : {}),
    ...(time === undefined ? {} : { event_timestamp: time }),
    ...shortTexts(whole),
  };
}

const reasonMax = 1_000;

const shortTexts = (row: JsonObject): JsonObject =>
  Object.fromEntries(
    ['confidence', 'reason', 'id', 'txn'].flatMap((member) => {
      const value = text(row, member);
      return value === undefined ? [] : [[member, value.slice(0, reasonMax)]];
    }),
  );

function timeOf(row: JsonObject): number | undefined {
  for (const member of ['event_timestamp', '_time', 'time']) {
    const value = own(row, member);
    if (typeof value === 'number') return value;
    if (typeof value !== 'string' || value === '') continue;
    const seconds = /^\d{1,11}(\.\d{1,9})?$/.test(value) ? Number(value) : Date.parse(value) / 1_000;
    if (!Number.isNaN(seconds)) return seconds;
  }
  return undefined;
}

const withoutEmpty = (row: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== '' && value !== null));

const text = (row: JsonObject, member: string): string | undefined => {
  const value = own(row, member);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

const own = (row: JsonObject, member: string): Json | undefined =>
  Object.hasOwn(row, member) ? row[member] : undefined;

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

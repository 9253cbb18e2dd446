import { matchKey, mergeMatches } from './match-key.ts';
import { Problem } from './problem.ts';
import type { Awaited, SubjectPart, SubjectQuery } from './resolution.ts';
import type { Match } from './revocation.ts';
import { identifierOfMatch } from './subject-match.ts';
import type { Identifier } from './vocabulary.ts';

/** Conjunctions that one subject may stand for: aliases of one part times aliases of another. */
export const subjectKeysMax = 256;

/** What a subject comes to once the registries have said what its identifiers stand for. */
export type SubjectKeys = {
  /** Each a whole conjunction of all parts that are known; empty when a needed part is not, or when parts contradict each other. */
  readonly keys: readonly Match[];
  readonly unresolved: readonly Identifier[];
  readonly awaited: readonly Awaited[];
};

export const principalRoles = new Set([
  'subject',
  'user',
  'application',
  'session',
  'token',
  'key',
  'certificate',
  'digest',
  'workload',
  'issuer',
]);

/** Lower is needed first; tenants, groups and members of others' making only narrow what the rest names. */
const rankOf = (role: string): number => (principalRoles.has(role) ? 0 : role === 'device' ? 1 : 2);

/**
 * The part that is the whole principal, if one is: whoever it names, and whatever that one owns, is what the subject is
 * about. A user on a device is that user; a user in a session is less than the user.
 */
export function principalPart(query: SubjectQuery): SubjectPart | undefined {
  const [only, ...others] = neededParts(query);
  return others.length === 0 ? only : undefined;
}

/**
 * Joins what is known of each part. Parts that only narrow are left out while they are unknown, and then named as
 * unresolved; without a needed part there is no key, since the rest would name far too many.
 *
 * @param linked what an identifier stands for; `undefined` when nobody knows it, empty when it has no keys yet.
 * @throws Problem `invalid-request` when the aliases multiply beyond `subjectKeysMax`.
 * @see SSF 1.0 §3.3.1
 */
export function keysOfSubject(
  query: SubjectQuery,
  linked: (identifier: Identifier) => readonly Match[] | undefined,
): SubjectKeys {
  const needed = new Set(neededParts(query));
  const parts = query.parts.map((part) => ({ ...readPart(part, linked), needed: needed.has(part) }));
  const joined = parts.filter(({ isKnown, needed }) => needed || isKnown);
  const keys = product(joined.map(({ keys }) => keys));
  const awaited = joined.flatMap((part) => {
    const others = joined.filter((other) => other !== part);
    const combinations = product(others.map(({ keys }) => keys));
    return part.unknown.flatMap((identifier) =>
      combinations.map((within) => ({ identifier, ...(others.length > 0 && { within }) })),
    );
  });
  const contradictory = keys.length === 0 && joined.every(({ keys }) => keys.length > 0);
  const unresolved = contradictory
    ? query.parts.flatMap(({ identifiers }) => identifiers)
    : parts.flatMap(({ unknown }) => unknown);
  return { keys: query.parts.length === 0 ? [] : keys, unresolved, awaited };
}

type ReadPart = {
  readonly keys: readonly Match[];
  readonly unknown: readonly Identifier[];
  readonly isKnown: boolean;
};

function readPart(
  part: SubjectPart,
  linked: (identifier: Identifier) => readonly Match[] | undefined,
): ReadPart {
  const own = new Set(part.matches.map(identifierOfMatch));
  const found = part.identifiers.map((identifier) => ({ identifier, keys: linked(identifier) }));
  const keys = [...part.matches, ...found.flatMap(({ keys }) => keys ?? [])];
  const isFound = part.namedBy !== undefined && keys.length > 0;
  const unknown = isFound
    ? []
    : found.filter(({ identifier, keys }) => keys === undefined && !own.has(identifier));
  return {
    keys: [...new Map(keys.map((match) => [matchKey(match), match])).values()],
    unknown: unknown.map(({ identifier }) => identifier),
    isKnown: keys.length > 0,
  };
}

/** The parts without which the subject would be somebody else: those of the lowest rank there is. */
function neededParts(query: SubjectQuery): readonly SubjectPart[] {
  const rank = Math.min(...query.parts.map(({ role }) => rankOf(role)));
  return query.parts.filter(({ role }) => rankOf(role) === rank);
}

/** Every way to fulfil one of each at once; contradictions fall away. */
function product(alternatives: readonly (readonly Match[])[]): readonly Match[] {
  let joined: readonly Match[] = [{}];
  for (const matches of alternatives) {
    if (joined.length * matches.length > subjectKeysMax) {
      throw new Problem(
        'invalid-request',
        `The subject stands for more than ${subjectKeysMax} combinations.`,
        {
          hint: 'Send fewer aliases.',
        },
      );
    }
    joined = joined.flatMap((left) => matches.flatMap((right) => mergeMatches(left, right) ?? []));
  }
  return joined;
}

import { canonicalJson } from './canonical-json.ts';
import type { DefaultSubjects, StreamSubject } from './stream.ts';
import type { JsonObject } from './vocabulary.ts';

/** What decides which subjects a stream has. `subjects` are in the order of the calls that listed them. */
export type SubjectSelection = {
  readonly defaultSubjects: DefaultSubjects;
  readonly subjects: readonly StreamSubject[];
};

/**
 * Simple subjects match when they are equal as JSON, complex ones when every member that both have is. A simple and a
 * complex one never match: SSF leaves that open.
 *
 * @see SSF 1.0 §8.1.3.1
 */
export function matchesSubject(one: JsonObject, other: JsonObject): boolean {
  if (isComplex(one) !== isComplex(other)) return false;
  if (!isComplex(one)) return canonicalJson(one) === canonicalJson(other);
  const others = partsOf(other);
  return [...partsOf(one)].every(([name, part]) => (others.get(name) ?? part) === part);
}

/**
 * Whether an event about the subject goes over the stream. The latest call about it decides, and where there is none,
 * `defaultSubjects`. Which calls are about it:
 *
 * - an *added* subject that matches it (SSF 1.0 §8.1.3.1), as long as they have a member in common: by the letter `{device}`
 *   matches every event about a `{user}`, and one device would bring everybody's events.
 * - a *removed* subject whose members the event has all: who took `{user, device}` off the stream goes on hearing of the
 *   `user`. The specification says nothing here and lets a transmitter send more than was asked for (§9.3).
 *
 * The first question about a list sorts it; every further one costs about as much as its subjects differ in the names of their members.
 */
export function admits({ defaultSubjects, subjects }: SubjectSelection, subject: JsonObject): boolean {
  if (subjects.length === 0) return defaultSubjects === 'ALL';
  let index = indexes.get(subjects);
  if (index === undefined) {
    index = indexOf(subjects);
    indexes.set(subjects, index);
  }
  const latest = isComplex(subject)
    ? latestComplex(index, partsOf(subject))
    : index.simple.get(canonicalJson(subject));
  return latest === undefined ? defaultSubjects === 'ALL' : latest.listed === 'added';
}

/**
 * The names of its members in one line; absent for a simple subject. Two subjects of one shape match only when they are
 * equal.
 */
export const shapeOf = (subject: JsonObject): string | undefined =>
  isComplex(subject) ? lineOf([...partsOf(subject).keys()]) : undefined;

type Listed = Pick<StreamSubject, 'listed'> & { readonly order: number };
type Parts = ReadonlyMap<string, string>;
/** Complex subjects that have the same members. */
type Shape = { readonly names: readonly string[]; readonly entries: readonly (Listed & { parts: Parts })[] };
type SubjectIndex = {
  readonly simple: ReadonlyMap<string, Listed>;
  readonly shapes: readonly Shape[];
  /** For events of one shape: by shape of what is listed, the latest entry by the values of the members that both have. */
  readonly byEventShape: Map<string, readonly SharedIndex[]>;
};
type SharedIndex = { readonly shared: readonly string[]; readonly latest: ReadonlyMap<string, Listed> };

/** Each costs as much memory as the list; events come in a few shapes. */
const eventShapesMax = 16;
const indexes = new WeakMap<readonly StreamSubject[], SubjectIndex>();

const isComplex = (subject: JsonObject): boolean => subject['format'] === 'complex';

/** Members in the order of their names, values in one line each. */
const partsOf = (subject: JsonObject): Parts =>
  new Map(
    Object.entries(subject)
      .filter(([name]) => name !== 'format')
      .map(([name, part]) => [name, canonicalJson(part)] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );

const lineOf = (texts: readonly (string | undefined)[]): string => JSON.stringify(texts);

function indexOf(subjects: readonly StreamSubject[]): SubjectIndex {
  const simple = new Map<string, Listed>();
  const shapes = new Map<string, Shape & { entries: (Listed & { parts: Parts })[] }>();
  subjects.forEach(({ subject, listed }, order) => {
    if (!isComplex(subject)) return void simple.set(canonicalJson(subject), { listed, order });
    const parts = partsOf(subject);
    const names = [...parts.keys()];
    const shape = shapes.get(lineOf(names)) ?? { names, entries: [] };
    shape.entries.push({ listed, order, parts });
    return void shapes.set(lineOf(names), shape);
  });
  return { simple, shapes: [...shapes.values()], byEventShape: new Map() };
}

function latestComplex({ shapes, byEventShape }: SubjectIndex, event: Parts): Listed | undefined {
  const names = [...event.keys()];
  let indexed = byEventShape.get(lineOf(names));
  if (indexed === undefined) {
    indexed = shapes.flatMap((shape) => sharedWith(shape, event));
    if (byEventShape.size >= eventShapesMax) byEventShape.clear();
    byEventShape.set(lineOf(names), indexed);
  }
  let found: Listed | undefined;
  for (const { shared, latest } of indexed) {
    const candidate = latest.get(lineOf(shared.map((name) => event.get(name))));
    if (candidate !== undefined && candidate.order > (found?.order ?? -1)) found = candidate;
  }
  return found;
}

function sharedWith({ names, entries }: Shape, event: Parts): readonly SharedIndex[] {
  const shared = names.filter((name) => event.has(name));
  if (shared.length === 0) return [];
  const latest = new Map<string, Listed>();
  for (const { listed, order, parts } of entries) {
    if (listed === 'removed' && shared.length < names.length) continue;
    latest.set(lineOf(shared.map((name) => parts.get(name))), { listed, order });
  }
  return [{ shared, latest }];
}

import { canonicalJson } from './canonical-json.ts';
import type { DefaultSubjects } from './stream.ts';
import type { JsonObject } from './vocabulary.ts';

/** What was last said of one subject: it was added, removed, or nothing that makes a difference. */
export type Listing = 'added' | 'removed' | 'forgotten';

/** The subjects that a stream lists, in memory. A change costs the same however many there are, and so does a question. */
export type SubjectList = {
  /** In the order of the calls. It replaces what was said of this very subject before. */
  put(subject: JsonObject, listing: Listing): void;
  /** What the latest call about the subject of an event said. */
  latestAbout(subject: JsonObject): 'added' | 'removed' | undefined;
};

/**
 * Whether an event about the subject goes over the stream. The latest call about it decides, and where there is none,
 * `defaultSubjects`. Simple subjects match when they are equal as JSON, complex ones when every member that both have is;
 * a simple and a complex one never match: SSF leaves that open. Which calls are about an event:
 *
 * - an *added* subject that matches it (SSF 1.0 §8.1.3.1), as long as they have a member in common: by the letter `{device}`
 *   matches every event about a `{user}`, and one device would bring everybody's events.
 * - a *removed* subject whose members the event has all: who took `{user, device}` off the stream goes on hearing of the
 *   `user`. The specification says nothing here and lets a transmitter send more than was asked for (§9.3).
 *
 * @see SSF 1.0 §8.1.3.1
 */
export const admits = (
  {
    defaultSubjects,
    subjects,
  }: { readonly defaultSubjects: DefaultSubjects; readonly subjects: Pick<SubjectList, 'latestAbout'> },
  subject: JsonObject,
): boolean =>
  (subjects.latestAbout(subject) ?? (defaultSubjects === 'ALL' ? 'added' : 'removed')) === 'added';

/**
 * The names of its members in one line; absent for a simple subject. Two subjects of one shape match only when they are
 * equal.
 */
export const shapeOf = (subject: JsonObject): string | undefined =>
  isComplex(subject) ? lineOf([...partsOf(subject).keys()]) : undefined;

export function createSubjectList(): SubjectList {
  const simple = new Map<string, Entry['listed']>();
  const complex = createComplexList();
  return {
    put(subject, listing) {
      const key = canonicalJson(subject);
      if (isComplex(subject)) complex.put(key, partsOf(subject), listing);
      else if (listing === 'forgotten') simple.delete(key);
      else simple.set(key, listing);
    },
    latestAbout: (subject) =>
      isComplex(subject) ? complex.latestAbout(partsOf(subject)) : simple.get(canonicalJson(subject)),
  };
}

/** Members in the order of their names, values in one line each. */
type Parts = ReadonlyMap<string, string>;
type Entry = {
  readonly listed: 'added' | 'removed';
  readonly parts: Parts;
  /** Of the call, among all. */
  readonly order: number;
  /** No later call replaced it. */
  isCurrent: boolean;
};
/** Complex subjects that have the same members, by their canonical JSON, in the order of the calls. */
type Shape = { readonly names: readonly string[]; readonly entries: Map<string, Entry> };
/** For events that have just these of the members that anything listed has, by the shape of what is listed. */
type View = { readonly names: ReadonlySet<string>; readonly indexes: Map<string, SharedIndex> };
/** Entries of one shape by the values of the members that the event has, too: the latest that is current is the last. */
type SharedIndex = {
  readonly shared: readonly string[];
  readonly isWhole: boolean;
  readonly stacks: Map<string, Entry[]>;
};

/** Each view costs as much memory as the list; events come in a few shapes. The one that was asked longest ago goes. */
const viewsMax = 16;
/** Entries that were replaced and may still lie in views, besides as many as there are current ones. */
const staleMin = 1_000;

function createComplexList() {
  const shapes = new Map<string, Shape>();
  const views = new Map<string, View>();
  /** How many shapes have a member of that name. */
  const listedNames = new Map<string, number>();
  let order = 0;
  let current = 0;
  let stale = 0;

  function replace(line: string, key: string): void {
    const shape = shapes.get(line);
    const entry = shape?.entries.get(key);
    if (shape === undefined || entry === undefined) return;
    entry.isCurrent = false;
    current -= 1;
    stale += 1;
    shape.entries.delete(key);
    if (shape.entries.size === 0) {
      shapes.delete(line);
      countNames(shape.names, -1);
      for (const { indexes } of views.values()) indexes.delete(line);
    }
    if (stale <= current + staleMin) return;
    // Once in as many changes as there are entries: made anew when they are asked.
    views.clear();
    stale = 0;
  }
  function makeShape(line: string, names: readonly string[]): Shape {
    const shape: Shape = { names, entries: new Map() };
    shapes.set(line, shape);
    countNames(names, 1);
    return shape;
  }
  function countNames(names: readonly string[], by: 1 | -1): void {
    for (const name of names) {
      const count = (listedNames.get(name) ?? 0) + by;
      if (count === 0) listedNames.delete(name);
      else listedNames.set(name, count);
    }
  }
  /** Members that nothing listed has match whatever they are: who makes them up makes no view. */
  function viewOf(event: Parts): View {
    const names = [...event.keys()].filter((name) => listedNames.has(name));
    const line = lineOf(names);
    const view = views.get(line) ?? makeView(new Set(names));
    views.delete(line);
    views.set(line, view);
    const [oldest] = views.keys();
    if (views.size > viewsMax && oldest !== undefined) views.delete(oldest);
    return view;
  }
  function makeView(names: ReadonlySet<string>): View {
    const view: View = { names, indexes: new Map() };
    for (const [shapeLine, { entries }] of shapes) {
      for (const entry of entries.values()) show(view, shapeLine, entry);
    }
    return view;
  }

  return {
    put(key: string, parts: Parts, listing: Listing): void {
      const names = [...parts.keys()];
      const line = lineOf(names);
      replace(line, key);
      if (listing === 'forgotten') return;
      const entry = { listed: listing, parts, order: order++, isCurrent: true };
      const shape = shapes.get(line) ?? makeShape(line, names);
      shape.entries.set(key, entry);
      current += 1;
      for (const view of views.values()) show(view, line, entry);
    },
    latestAbout(event: Parts): Entry['listed'] | undefined {
      let found: Entry | undefined;
      for (const { shared, stacks } of viewOf(event).indexes.values()) {
        const stack = stacks.get(lineOf(shared.map((name) => event.get(name))));
        const latest = stack && latestOf(stack);
        if (latest !== undefined && latest.order > (found?.order ?? -1)) found = latest;
      }
      return found?.listed;
    },
  };
}

function show({ names, indexes }: View, shapeLine: string, entry: Entry): void {
  let index = indexes.get(shapeLine);
  if (index === undefined) {
    const shared = [...entry.parts.keys()].filter((name) => names.has(name));
    if (shared.length === 0) return;
    index = { shared, isWhole: shared.length === entry.parts.size, stacks: new Map() };
    indexes.set(shapeLine, index);
  }
  if (entry.listed === 'removed' && !index.isWhole) return;
  const line = lineOf(index.shared.map((name) => entry.parts.get(name)));
  const stack = index.stacks.get(line) ?? [];
  latestOf(stack);
  stack.push(entry);
  index.stacks.set(line, stack);
}

/** Takes off what was replaced. */
function latestOf(stack: Entry[]): Entry | undefined {
  while (stack.at(-1)?.isCurrent === false) stack.pop();
  return stack.at(-1);
}

const isComplex = (subject: JsonObject): boolean => subject['format'] === 'complex';

const partsOf = (subject: JsonObject): Parts =>
  new Map(
    Object.entries(subject)
      .filter(([name]) => name !== 'format')
      .map(([name, part]) => [name, canonicalJson(part)] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );

const lineOf = (texts: readonly (string | undefined)[]): string => JSON.stringify(texts);

import { Compile, type Validator } from 'typebox/compile';
import type { FieldError } from '../problem.ts';
import type { JsonObject } from '../vocabulary.ts';
import { agentEventTypes } from './agent-events.ts';
import { caepEventTypes } from './caep.ts';
import { toFieldErrors } from './data-errors.ts';
import type { EventType } from './event-type.ts';
import { riscEventTypes } from './risc.ts';
import { scimEventTypes } from './scim.ts';

/** Every event that the hub understands. Others are kept and mean nothing. */
export const eventTypes: readonly EventType[] = [
  ...caepEventTypes,
  ...riscEventTypes,
  ...scimEventTypes,
  ...agentEventTypes,
];

const byNameOrUri: ReadonlyMap<string, EventType> = new Map(
  eventTypes.flatMap((type): readonly (readonly [string, EventType])[] => [
    [type.name, type],
    [type.uri, type],
    ...(type.formerUri === undefined ? [] : [[type.formerUri, type] as const]),
  ]),
);

export const findEventType = (nameOrUri: string): EventType | undefined => byNameOrUri.get(nameOrUri);

const orders: ReadonlySet<string> = new Set(['revocation-ordered', 'revocation-lifted']);

/** It does not say what happened but what is to follow: who may report may not therefore order. */
export const isOrder = ({ name }: Pick<EventType, 'name'>): boolean => orders.has(name);

/** The three short names nearest to what was written, nearest first. */
export function nearestEventTypes(written: string): readonly string[] {
  const lastPart = written.slice(Math.max(written.lastIndexOf('/'), written.lastIndexOf(':')) + 1);
  const name = lastPart.slice(0, nameLengthMax).toLowerCase();
  const distances = eventTypes.map((type) => ({ name: type.name, distance: editDistance(name, type.name) }));
  return distances
    .toSorted((first, second) => first.distance - second.distance)
    .slice(0, nearestCount)
    .map((row) => row.name);
}

/**
 * What is wrong with an event's members, with pointers relative to the event. Members that the type does not describe
 * pass; our own orders take none but theirs, for a misspelt member of an order would change what it does.
 */
export function checkEventData(type: EventType, data: JsonObject): readonly FieldError[] {
  const validator = validatorOf(type);
  return validator.Check(data) ? (type.agree?.(data) ?? []) : toFieldErrors(validator.Errors(data));
}

/** Data as it counts at our own doors: what people may leave out is filled in. */
export const withDefaults = (type: EventType, data: JsonObject): JsonObject => ({
  ...type.defaults,
  ...data,
});

const nearestCount = 3;
/** Longer than any name: what is beyond is not compared. */
const nameLengthMax = 64;
const validators = new Map<EventType, Validator>();

function validatorOf(type: EventType): Validator {
  const known = validators.get(type);
  if (known !== undefined) return known;
  const compiled = Compile(type.data);
  validators.set(type, compiled);
  return compiled;
}

/** Levenshtein: insertions, deletions and replacements. */
function editDistance(first: string, second: string): number {
  let previous = Array.from({ length: second.length + 1 }, (_, index) => index);
  for (let row = 0; row < first.length; row += 1) {
    const current = [row + 1];
    for (let column = 1; column <= second.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (first[row] === second[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[second.length] ?? 0;
}

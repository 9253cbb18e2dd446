import type { FieldError } from '../core/problem.ts';
import { pointerTo } from '../core/text.ts';

/** What the validator says of one keyword of the schema. */
export type SchemaError = {
  readonly keyword: string;
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string | undefined;
};

/** More are not listed: the first few are what a person mends first. */
const ERRORS_MAX = 10;

type Wording = (error: SchemaError) => readonly FieldError[];

/** Keywords that the validator words for schema authors and not for callers. */
const wordings: Readonly<Record<string, Wording>> = {
  required: ({ instancePath, params }) =>
    texts(params['requiredProperties']).map((name) => ({
      path: pointerTo(instancePath, name),
      message: 'is missing',
    })),
  additionalProperties: ({ instancePath, params }) =>
    texts(params['additionalProperties']).map((name) => ({
      path: pointerTo(instancePath, name),
      message: 'is not a member of this object',
    })),
  enum: ({ instancePath, params }) => [
    { path: instancePath, message: `must be one of ${texts(params['allowedValues']).join(', ')}` },
  ],
  const: ({ instancePath, params }) => [
    { path: instancePath, message: `must be ${String(params['allowedValue'])}` },
  ],
  pattern: ({ instancePath }) => [{ path: instancePath, message: 'does not have the right form' }],
  boolean: () => [],
};

/**
 * One line a member, with a JSON pointer (RFC 6901) that names it: into the body, or below `root` (`/query`). Of a choice
 * only the choice itself is told.
 */
export function fieldErrors(errors: readonly SchemaError[], root = ''): readonly FieldError[] {
  const choices = errors.filter(({ keyword }) => keyword === 'anyOf');
  const told = new Map<string, FieldError>();
  for (const error of errors) {
    if (choices.some((choice) => error.schemaPath.startsWith(`${choice.schemaPath}/anyOf/`))) continue;
    for (const { path, message } of reword(error, errors)) {
      if (!told.has(path)) told.set(path, { path: root + path, message });
    }
  }
  return [...told.values()].slice(0, ERRORS_MAX);
}

function reword(error: SchemaError, all: readonly SchemaError[]): readonly FieldError[] {
  if (error.keyword === 'anyOf') return [{ path: error.instancePath, message: choiceMessage(error, all) }];
  const wording = wordings[error.keyword];
  return wording?.(error) ?? [{ path: error.instancePath, message: error.message ?? 'is not valid' }];
}

function choiceMessage({ schemaPath }: SchemaError, all: readonly SchemaError[]): string {
  const inside = all.filter((error) => error.schemaPath.startsWith(`${schemaPath}/anyOf/`));
  const literals = inside.filter(({ keyword }) => keyword === 'const');
  if (literals.length === 0 || literals.length < inside.length) return 'has none of the accepted forms';
  return `must be one of ${literals.map(({ params }) => String(params['allowedValue'])).join(', ')}`;
}

const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

import type { FieldError } from '../problem.ts';
import { fieldErrorsMax, pointerTo } from '../text.ts';
import { secondsMax } from './event-type.ts';

/** What the validator says of one keyword of a schema. */
type SchemaError = {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
};

/** One line a member, in words for those who sent it. */
export function toFieldErrors(errors: readonly SchemaError[]): readonly FieldError[] {
  const found = errors.flatMap(wordOf);
  return [...new Map(found.map((error) => [error.path, error])).values()].slice(0, fieldErrorsMax);
}

function wordOf(error: SchemaError): readonly FieldError[] {
  const params: { readonly [name: string]: unknown } = { ...error.params };
  const at = error.instancePath;
  switch (error.keyword) {
    case 'required':
      return textsOf(params['requiredProperties']).map((name) => ({
        path: pointerTo(at, name),
        message: 'is missing',
      }));
    case 'additionalProperties':
      return textsOf(params['additionalProperties']).map((name) => ({
        path: pointerTo(at, name),
        message: 'is unknown',
      }));
    case 'enum':
      return [{ path: at, message: `must be one of ${textsOf(params['allowedValues']).join(', ')}` }];
    case 'maximum':
      return [
        {
          path: at,
          message: params['limit'] === secondsMax ? 'must be seconds, not milliseconds' : error.message,
        },
      ];
    case 'minProperties':
      return [{ path: at, message: 'must not be empty' }];
    case 'anyOf':
      return [{ path: at, message: 'has none of the forms that the event describes' }];
    case 'boolean':
      return [];
    default:
      return [{ path: at, message: error.message }];
  }
}

const textsOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

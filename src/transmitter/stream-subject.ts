import { canonicalJson } from '../core/canonical-json.ts';
import { isProblem, Problem } from '../core/problem.ts';
import { parseSubject } from '../core/subject.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import { listedSubjectBytesMax } from './limits.ts';

/**
 * A subject as a receiver lists it: well-formed, and kept as it is. Whether anybody like this is known is not looked at,
 * and hence not told.
 *
 * @throws Problem `invalid-request`, `unknown-subject-format`, `unstorable-text` with pointers into the body
 * @see SSF 1.0 §8.1.3.2, §9.1
 */
export function subjectOf(wire: JsonObject): JsonObject {
  try {
    parseSubject(wire);
  } catch (thrown) {
    throw isProblem(thrown) ? below('/subject', thrown) : thrown;
  }
  if (Buffer.byteLength(canonicalJson(wire)) <= listedSubjectBytesMax) return wire;
  throw new Problem('invalid-request', 'The subject is too long.', {
    errors: [{ path: '/subject', message: `has more than ${listedSubjectBytesMax} bytes` }],
  });
}

function below(path: string, problem: Problem): Problem {
  return new Problem(problem.code, problem.message, {
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    errors: problem.errors.map((error) => ({ ...error, path: path + error.path })),
  });
}

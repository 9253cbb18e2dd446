import { namesWholeIssuer } from './match-key.ts';
import { Problem } from './problem.ts';
import type { Match } from './revocation.ts';
import { directMatch, parseSubject } from './subject.ts';
import type { Identifier, JsonObject } from './vocabulary.ts';

/** A simple subject as it was sent, and the line it is looked up by. */
export type KnownAs = { readonly identifier: Identifier; readonly subject: JsonObject };

/**
 * Reads one simple identifier; `path` points at it in the input.
 *
 * @throws Problem as `parseSubject` does, and `invalid-request` for anything but one simple subject.
 */
export function parseKnownAs(wire: JsonObject, path: string): KnownAs {
  const query = under(path, () => parseSubject(wire, {}));
  const [identifier, ...more] = query.parts.flatMap((part) => part.namedBy ?? part.identifiers);
  if (identifier === undefined || more.length > 0) {
    const hint = 'Give one RFC 9493 subject, such as {"format":"email","email":"…"}.';
    throw wrong(path, 'is not one simple subject', hint);
  }
  return { identifier, subject: wire };
}

/**
 * Reads one conjunction that tokens carry; `path` points at it in the input.
 *
 * @throws Problem as `parseSubject` does, and `invalid-request` for what no token carries, or what every token of an
 * issuer or a trust domain does: a kill that binds it later would ask no person.
 */
export function parseIdentity(wire: JsonObject, path: string, defaultIssuer: string | undefined): Match {
  const query = under(path, () => parseSubject(wire, defaultIssuer === undefined ? {} : { defaultIssuer }));
  const match = query.agent === undefined ? directMatch(query) : undefined;
  const hint = 'Give members of `match`, such as {"iss", "client_id"} or {"jkt"}.';
  if (match === undefined) throw wrong(path, 'names nothing that a token carries', hint);
  if (namesWholeIssuer(match)) throw wrong(path, 'names everybody of an issuer or a trust domain', hint);
  return match;
}

function under<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    throw new Problem(thrown.code, thrown.message, {
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      errors: thrown.errors.map((error) => ({ ...error, path: `${path}${error.path}` })),
      cause: thrown,
    });
  }
}

const wrong = (path: string, message: string, hint: string): Problem =>
  new Problem('invalid-request', `${path} ${message}.`, { hint, errors: [{ path, message }] });

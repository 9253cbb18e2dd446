import { membersOf, matchKey } from './match-key.ts';
import { Problem } from './problem.ts';
import { type Match, type MatchMember, matchMembers } from './revocation.ts';
import { pointerTo } from './text.ts';
import { type Identifier, identifier, type JsonObject } from './vocabulary.ts';

/** UTF-16 code units of one value that identifies something. */
export const identifierTextMax = 2_048;

/** UTF-8 bytes of all that identifies one subject, in its canonical line: what an index of Postgres still takes. */
export const subjectBytesMax = 2_048;

export type SubjectContext = {
  /** Stands in for a missing `iss` where exactly one issuer is configured. */
  readonly defaultIssuer?: string;
};

/** base64url of 32 bytes, as an encoder writes it: the last character carries four bits. */
const sha256Shape = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
/** @see SPIFFE ID §2; a last segment of `*` stands for everything below. */
const workloadShape = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*(\/\*)?$/;

type ValueRule = { readonly shape: RegExp; readonly message: string };
const anyText: ValueRule = { shape: /^[^]+$/, message: 'must not be empty' };
const thumbprint: ValueRule = {
  shape: sha256Shape,
  message: 'must be the base64url SHA-256 value of 43 characters',
};

const valueRules = {
  iss: anyText,
  sub: anyText,
  client_id: anyText,
  workload: {
    shape: workloadShape,
    message: 'must be a SPIFFE ID such as spiffe://example.org/build, or end in /* for everything below it',
  },
  jkt: thumbprint,
  'x5t#S256': thumbprint,
  jti: anyText,
  sid: anyText,
  token_sha256: thumbprint,
} as const satisfies Record<MatchMember, ValueRule>;

/** Unique only within one issuer. */
const membersOfAnIssuer = ['sub', 'client_id', 'jti', 'sid'] as const;

const isMatchMember = (name: string): name is MatchMember => Object.hasOwn(valueRules, name);

/**
 * Reads members of `match` (`{"iss", "client_id"}`, `{"jkt"}`), each with a value that a token could carry.
 *
 * @throws Problem `empty-match`, `ambiguous-issuer` or `invalid-request`, with pointers below `path`.
 */
export function parseMatch(wire: JsonObject, context: SubjectContext = {}, path = ''): Match {
  const match: { -readonly [Member in MatchMember]?: string } = {};
  for (const [name, value] of Object.entries(wire)) {
    if (!isMatchMember(name)) {
      throw wrongMember(pointerTo(path, name), `is not one of ${matchMembers.join(', ')}`);
    }
    if (typeof value !== 'string') throw wrongMember(pointerTo(path, name), 'must be a string');
    match[name] = requireMatchValue(name, value, pointerTo(path, name));
  }
  if (Object.keys(match).length === 0) {
    throw new Problem('empty-match', 'A match without members would hit everybody.', {
      hint: `Name at least one of ${matchMembers.join(', ')}.`,
      errors: [{ path, message: 'has no members' }],
    });
  }
  if (match.iss === undefined && membersOfAnIssuer.some((member) => match[member] !== undefined)) {
    match.iss = requireIssuer(context, path);
  }
  requireIndexable(identifierOfMatch(match), path);
  return match;
}

/** @throws Problem `invalid-request` when no token carries such a value. */
export function requireMatchValue(member: MatchMember, value: string, path: string): string {
  const rule = valueRules[member];
  if (value.length > identifierTextMax) {
    throw wrongMember(path, `is longer than ${identifierTextMax} characters`);
  }
  if (!rule.shape.test(value)) throw wrongMember(path, rule.message);
  return value;
}

/** One line for what tokens carry, whichever way it was written. */
export const identifierOfMatch = (match: Match): Identifier =>
  identifier(
    match.iss !== undefined && match.sub !== undefined && membersOf(match).length === 2
      ? `iss_sub:${JSON.stringify([match.iss, match.sub])}`
      : `match:${matchKey(match)}`,
  );

/** @throws Problem `invalid-request` for a canonical line that no index takes. */
export function requireIndexable(line: string, path: string): void {
  if (new TextEncoder().encode(line).length > subjectBytesMax) {
    throw wrongMember(path, `says more than ${subjectBytesMax} bytes`);
  }
}

export const wrongMember = (path: string, message: string): Problem =>
  new Problem('invalid-request', `The subject is not usable: ${path || 'it'} ${message}.`, {
    errors: [{ path, message }],
  });

function requireIssuer(context: SubjectContext, path: string): string {
  if (context.defaultIssuer !== undefined) return context.defaultIssuer;
  throw new Problem(
    'ambiguous-issuer',
    '`iss` may be left out only where exactly one issuer is configured.',
    {
      hint: 'Add `iss`: names are unique only within an issuer.',
      errors: [{ path: pointerTo(path, 'iss'), message: 'is missing' }],
    },
  );
}

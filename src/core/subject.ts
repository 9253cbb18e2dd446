import { mergeMatches } from './match-key.ts';
import { Problem } from './problem.ts';
import type { SubjectPart, SubjectQuery } from './resolution.ts';
import type { Match } from './revocation.ts';
import { isSimpleFormat, keyUris, requireText, type SimpleFormat, simpleFormats } from './subject-formats.ts';
import {
  identifierOfMatch,
  parseMatch,
  requireIndexable,
  type SubjectContext,
  wrongMember,
} from './subject-match.ts';
import { isJsonObject, pointerTo, refuseFaultyJson } from './text.ts';
import {
  agentName,
  type Json,
  type JsonObject,
  nameShape,
  subjectKey,
  type SubjectKey,
} from './vocabulary.ts';

/** Members of one complex subject besides `format`. */
export const complexMembersMax = 16;
/** Identifiers of one `aliases` subject. */
export const aliasesMax = 32;

const knownFormats = [...Object.keys(simpleFormats), 'aliases', 'complex'];

/**
 * Reads a subject in any form: an RFC 9493 identifier, an SSF complex subject, members of `match`, or `{"agent": name}`.
 * The same principal gets the same `key` whichever way it is written and in whatever order its members stand.
 *
 * @throws Problem `invalid-request`, `empty-match`, `ambiguous-issuer`, `unknown-subject-format` or `unstorable-text`,
 * with pointers relative to the subject.
 * @see RFC 9493 §3.2, SSF 1.0 §3
 */
export function parseSubject(wire: JsonObject, context: SubjectContext = {}): SubjectQuery {
  refuseFaultyJson(wire);
  if (Object.hasOwn(wire, 'format')) return parseFormat(wire, context);
  if (Object.hasOwn(wire, 'agent')) return parseAgent(wire);
  const match = parseMatch(wire, context);
  return queryOf([{ role: 'subject', matches: [match], identifiers: [identifierOfMatch(match)] }]);
}

/** The one conjunction that tokens carry for it, when the subject says that by itself. */
export function directMatch(query: SubjectQuery): Match | undefined {
  if (query.parts.length === 0) return undefined;
  let merged: Match | undefined = {};
  for (const { matches } of query.parts) {
    const [match, ...others] = matches;
    if (merged === undefined || match === undefined || others.length > 0) return undefined;
    merged = mergeMatches(merged, match);
  }
  return merged;
}

/**
 * How a match that `parseMatch` gave is said in SSF; `parseSubject` reads it back.
 *
 * @see RFC 9278, RFC 6920 for keys as URIs
 */
export function toSsfSubject(match: Match): JsonObject {
  const parts = ssfParts(match);
  const [first, ...others] = Object.entries(parts);
  if (first === undefined) throw new Error('an empty match has no subject');
  const [role, part] = first;
  const saysItAlone = others.length === 0 && !roleGivesMeaning.has(role);
  return saysItAlone ? part : { format: 'complex', ...parts };
}

/** Members whose name says what the identifier in it means. */
const roleGivesMeaning: ReadonlySet<string> = new Set(['application', 'session', 'issuer']);

function ssfParts(match: Match): { readonly [role: string]: JsonObject } {
  const { iss, sub, client_id, sid, jti, jkt, workload, token_sha256, 'x5t#S256': certificate } = match;
  const ofIssuer = iss === undefined ? {} : ssfPartsOf(iss, { sub, client_id, sid, jti });
  return {
    ...ofIssuer,
    ...(jkt !== undefined && { key: { format: 'uri', uri: keyUris.jkt + jkt } }),
    ...(certificate !== undefined && {
      certificate: { format: 'uri', uri: keyUris['x5t#S256'] + certificate },
    }),
    ...(token_sha256 !== undefined && {
      digest: { format: 'uri', uri: keyUris.token_sha256 + token_sha256 },
    }),
    ...(workload !== undefined && { workload: { format: 'uri', uri: workload } }),
  };
}

function ssfPartsOf(
  iss: string,
  names: { readonly [Member in 'sub' | 'client_id' | 'sid' | 'jti']: string | undefined },
): { readonly [role: string]: JsonObject } {
  const { sub, client_id, sid, jti } = names;
  const named = {
    ...(sub !== undefined && { user: { format: 'iss_sub', iss, sub } }),
    ...(client_id !== undefined && { application: { format: 'iss_sub', iss, sub: client_id } }),
    ...(sid !== undefined && { session: { format: 'iss_sub', iss, sub: sid } }),
    ...(jti !== undefined && { token: { format: 'jwt_id', iss, jti } }),
  };
  return Object.keys(named).length > 0 ? named : { issuer: { format: 'opaque', id: iss } };
}

function parseAgent(wire: JsonObject): SubjectQuery {
  const [stray] = Object.keys(wire).filter((name) => name !== 'agent');
  if (stray !== undefined) throw wrongMember(pointerTo('', stray), 'cannot stand beside `agent`');
  const name = requireText({ wire, path: '' }, 'agent');
  if (!nameShape.test(name)) {
    throw wrongMember('/agent', 'must be a name of 1 to 64 letters, digits, ".", "_" or "-"');
  }
  return { key: subjectKey(`agent:${name}`), agent: agentName(name), parts: [] };
}

function parseFormat(wire: JsonObject, context: SubjectContext): SubjectQuery {
  if (wire['format'] !== 'complex') return queryOf([parsePart(wire, '', 'subject', context.defaultIssuer)]);
  const members = Object.entries(wire).filter(([name]) => name !== 'format');
  if (members.length === 0) throw wrongMember('', 'is complex and names no member');
  if (members.length > complexMembersMax) throw wrongMember('', `has more than ${complexMembersMax} members`);
  const issuer = issuerOf(
    members.map(([, value]) => value),
    context,
  );
  return queryOf(
    members.map(([role, value]) => {
      const path = pointerTo('', role);
      if (!isJsonObject(value))
        throw wrongMember(path, 'must be a subject identifier: an object with `format`');
      if (value['format'] === 'complex') throw wrongMember(path, 'must not be complex itself (SSF 1.0 §3.3)');
      return parsePart(value, path, role, issuer);
    }),
  );
}

function parsePart(wire: JsonObject, path: string, role: string, issuer: string | undefined): SubjectPart {
  const aliases = wire['format'] === 'aliases' ? aliasesOf(wire, path) : undefined;
  const entries = aliases ?? [{ wire, path }];
  const subjects = entries.map((entry) => {
    return simpleFormats[requireFormat(entry.wire, entry.path)].read({ ...entry, role, issuer });
  });
  const matches = new Map(subjects.flatMap(({ identifier, match }) => (match ? [[identifier, match]] : [])));
  const namedBy = [...new Set(subjects.map(({ identifier }) => identifier))].toSorted();
  const others = subjects.flatMap(({ otherwise }) => otherwise ?? []);
  const part = { role, matches: [...matches.values()] };
  if (others.length === 0) return { ...part, identifiers: namedBy };
  return { ...part, identifiers: [...new Set([...namedBy, ...others])].toSorted(), namedBy };
}

function aliasesOf(wire: JsonObject, path: string): readonly { wire: JsonObject; path: string }[] {
  const list = wire['identifiers'];
  const at = pointerTo(path, 'identifiers');
  if (!Array.isArray(list) || list.length === 0 || list.length > aliasesMax) {
    throw wrongMember(at, `must be an array of 1 to ${aliasesMax} subject identifiers`);
  }
  return list.map((value: Json, index) => {
    const itemPath = pointerTo(at, index);
    if (!isJsonObject(value))
      throw wrongMember(itemPath, 'must be a subject identifier: an object with `format`');
    if (value['format'] === 'aliases' || value['format'] === 'complex') {
      throw wrongMember(itemPath, 'must be a simple subject (RFC 9493 §3.2.8)');
    }
    return { wire: value, path: itemPath };
  });
}

function requireFormat(wire: JsonObject, path: string): SimpleFormat {
  const format = requireText({ wire, path }, 'format');
  if (isSimpleFormat(format)) return format;
  throw new Problem('unknown-subject-format', 'The subject has a format that is not known here.', {
    hint: `Known formats: ${knownFormats.join(', ')}; or members of match; or {"agent": name}.`,
    errors: [{ path: pointerTo(path, 'format'), message: 'is unknown' }],
  });
}

/** Whose session an opaque `session` is: the issuer that the other members name, if they name one and the same. */
function issuerOf(values: readonly Json[], context: SubjectContext): string | undefined {
  const issuers = values.flatMap((value) =>
    isJsonObject(value) && typeof value['iss'] === 'string' ? [value['iss']] : [],
  );
  const distinct = new Set(issuers);
  if (distinct.size === 0) return context.defaultIssuer;
  return distinct.size === 1 ? issuers[0] : undefined;
}

function queryOf(parts: readonly SubjectPart[]): SubjectQuery {
  const key = keyOf(parts);
  requireIndexable(key, '');
  return { key, parts };
}

/** Of what tokens carry where the subject says it, else of the identifiers; the order in which things were written never shows. */
function keyOf(parts: readonly SubjectPart[]): SubjectKey {
  const match = directMatch({ key: subjectKey(''), parts });
  if (match !== undefined) return subjectKey(identifierOfMatch(match));
  const lines = parts.map(({ identifiers, namedBy = identifiers }) =>
    namedBy.length === 1 ? `${namedBy[0]}` : JSON.stringify(namedBy),
  );
  const [line, ...others] = lines;
  if (line !== undefined && others.length === 0) return subjectKey(line);
  return subjectKey(JSON.stringify(parts.map(({ role }, index) => [role, lines[index]]).toSorted(byText)));
}

const byText = (first: readonly unknown[], second: readonly unknown[]): number => {
  const [a, b] = [JSON.stringify(first), JSON.stringify(second)];
  return a < b ? -1 : Number(a > b);
};

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { covers, matchKey, mergeMatches } from '../../src/core/match-key.ts';
import { Problem } from '../../src/core/problem.ts';
import type { Match } from '../../src/core/revocation.ts';
import {
  aliasesMax,
  complexMembersMax,
  directMatch,
  parseSubject,
  toSsfSubject,
} from '../../src/core/subject.ts';
import { keysOfSubject, subjectKeysMax } from '../../src/core/subject-keys.ts';
import { identifierTextMax, parseMatch, subjectBytesMax } from '../../src/core/subject-match.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';
import { idp, jkt, otherJkt } from './builders.ts';
import { aMatch, text } from './arbitraries.ts';

const matchOf = (subject: JsonObject) => directMatch(parseSubject(subject, { defaultIssuer: idp }));

function problemOf(
  subject: JsonObject,
  defaultIssuer?: string,
): Pick<Problem, 'code' | 'errors'> | undefined {
  try {
    parseSubject(subject, defaultIssuer === undefined ? {} : { defaultIssuer });
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown;
    throw thrown;
  }
  return undefined;
}

describe('reactions §3: our keys as SSF subjects, both ways', () => {
  const thumbprint = 'urn:ietf:params:oauth:jwk-thumbprint:sha-256:';
  const rows: readonly (readonly [Match, JsonObject])[] = [
    [
      { iss: idp, sub: 'alice' },
      { format: 'iss_sub', iss: idp, sub: 'alice' },
    ],
    [
      { iss: idp, client_id: 'runner' },
      { format: 'complex', application: { format: 'iss_sub', iss: idp, sub: 'runner' } },
    ],
    [{ jkt }, { format: 'uri', uri: `${thumbprint}${jkt}` }],
    [{ 'x5t#S256': jkt }, { format: 'uri', uri: `ni:///sha-256;${jkt}` }],
    [
      { iss: idp, jti: 't-1' },
      { format: 'jwt_id', iss: idp, jti: 't-1' },
    ],
    [
      { iss: idp, sid: 's-1' },
      { format: 'complex', session: { format: 'iss_sub', iss: idp, sub: 's-1' } },
    ],
    [{ workload: 'spiffe://td/a' }, { format: 'uri', uri: 'spiffe://td/a' }],
    [{ token_sha256: jkt }, { format: 'uri', uri: `urn:caep-hub:token:sha-256:${jkt}` }],
    [{ iss: idp }, { format: 'complex', issuer: { format: 'opaque', id: idp } }],
    [
      { iss: idp, sub: 'alice', client_id: 'runner', jkt },
      {
        format: 'complex',
        user: { format: 'iss_sub', iss: idp, sub: 'alice' },
        application: { format: 'iss_sub', iss: idp, sub: 'runner' },
        key: { format: 'uri', uri: `${thumbprint}${jkt}` },
      },
    ],
  ];

  it.each(rows)('%o', (match, subject) => {
    expect(toSsfSubject(match)).toEqual(subject);
    expect(matchOf(subject)).toEqual(match);
  });

  it('every match that can be said is read back as it was', () => {
    fc.assert(
      fc.property(aMatch, (match) => {
        expect(matchOf(toSsfSubject(match))).toEqual(match);
        expect(parseSubject(toSsfSubject(match)).key).toBe(parseSubject({ ...match }).key);
      }),
    );
  });

  it('an opaque session belongs to the issuer of its siblings, else to the only one there is', () => {
    const session = { format: 'opaque', id: 's-1' };
    const user = { format: 'iss_sub', iss: 'https://other.example', sub: 'alice' };
    expect(matchOf({ format: 'complex', session })).toEqual({ iss: idp, sid: 's-1' });
    expect(matchOf({ format: 'complex', session, user })).toEqual({
      iss: 'https://other.example',
      sub: 'alice',
      sid: 's-1',
    });
    expect(directMatch(parseSubject({ format: 'complex', session }))).toBeUndefined();
    const device = { format: 'iss_sub', iss: idp, sub: 'd-1' };
    const { parts } = parseSubject({ format: 'complex', session, user, device }, { defaultIssuer: idp });
    expect(parts.find(({ role }) => role === 'session')).toMatchObject({ matches: [] });
  });
});

describe('DESIGN §13: members of match, and agents by name', () => {
  it('iss may be left out where exactly one issuer is configured', () => {
    expect(matchOf({ client_id: 'runner' })).toEqual({ iss: idp, client_id: 'runner' });
    expect(matchOf({ jkt })).toEqual({ jkt });
    expect(problemOf({ client_id: 'runner' })).toMatchObject({
      code: 'ambiguous-issuer',
      errors: [{ path: '/iss' }],
    });
  });

  it.each([
    ['an empty match', {}, 'empty-match', ''],
    ['a misspelt member', { iss: idp, client: 'x' }, 'invalid-request', '/client'],
    ['a member that is no text', { iss: idp, sub: 5 }, 'invalid-request', '/sub'],
    ['an empty value', { iss: idp, sub: '' }, 'invalid-request', '/sub'],
    ['a value too long', { iss: idp, sub: 'x'.repeat(identifierTextMax + 1) }, 'invalid-request', '/sub'],
    ['a short thumbprint', { jkt: 'abc' }, 'invalid-request', '/jkt'],
    ['a thumbprint that no encoder writes', { jkt: `${jkt.slice(0, -1)}t` }, 'invalid-request', '/jkt'],
    ['a padded thumbprint', { 'x5t#S256': `${jkt}=` }, 'invalid-request', '/x5t#S256'],
    ['a malformed thumbprint URI', { format: 'uri', uri: 'ni:///sha-256;abc' }, 'invalid-request', '/uri'],
    ['a workload outside SPIFFE', { workload: 'https://td/a' }, 'invalid-request', '/workload'],
    ['a workload with dots', { workload: 'spiffe://td/../b' }, 'invalid-request', '/workload'],
    ['a workload with a star inside', { workload: 'spiffe://td/*/b' }, 'invalid-request', '/workload'],
    ['a bad agent name', { agent: '../x' }, 'invalid-request', '/agent'],
    ['an agent and more', { agent: 'x', iss: idp }, 'invalid-request', '/iss'],
    ['an agent that is no text', { agent: { format: 'email' } }, 'invalid-request', '/agent'],
  ])('%s is refused, and the member named', (_, subject, code, path) => {
    expect(problemOf(subject as JsonObject, idp)).toMatchObject({ code, errors: [{ path }] });
  });

  it('an agent is named outright', () => {
    expect(parseSubject({ agent: 'build-runner' })).toEqual({
      key: 'agent:build-runner',
      agent: 'build-runner',
      parts: [],
    });
  });

  it('paths begin where the caller says', () => {
    expect(() => parseMatch({ sub: 'x' }, {}, '/match')).toThrow(
      expect.objectContaining({ errors: [{ path: '/match/iss', message: 'is missing' }] }) as Error,
    );
  });
});

describe('hostile subjects', () => {
  const email = (value: string) => ({ format: 'email', email: value });

  it.each([
    ['U+0000', email('a\u0000@example.com'), '/email'],
    ['half a surrogate pair', email('a\uD83D@example.com'), '/email'],
    ['in a member that nobody reads', { ...email('a@example.com'), note: '\uDC00' }, '/note'],
    ['deep inside', { format: 'complex', user: { format: 'opaque', id: '\u0000' } }, '/user/id'],
  ])('unstorable text: %s', (_, subject, path) => {
    expect(problemOf(subject)).toMatchObject({ code: 'unstorable-text', errors: [{ path }] });
  });

  it('whole surrogate pairs are text', () => {
    expect(parseSubject({ format: 'opaque', id: '🔑' }).key).toBe('opaque:🔑');
  });

  it.each(['__proto__', 'constructor', 'prototype'])('%s is never a member', (name) => {
    const subject = JSON.parse(`{"format":"complex","${name}":{"format":"opaque","id":"1"}}`) as JsonObject;
    expect(problemOf(subject)).toMatchObject({ code: 'invalid-request', errors: [{ path: `/${name}` }] });
    const match = JSON.parse(`{"iss":"${idp}","${name}":"1"}`) as JsonObject;
    expect(problemOf(match)).toMatchObject({ code: 'invalid-request', errors: [{ path: `/${name}` }] });
  });

  it('depth, members, aliases and their combinations are limited', () => {
    const nest = (depth: number): JsonObject => (depth === 0 ? { id: '1' } : { inner: nest(depth - 1) });
    expect(problemOf({ format: 'opaque', id: '1', extra: nest(20) })).toMatchObject({
      code: 'invalid-request',
    });
    const list = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ format: 'opaque', id: `${index}` }));
    const members = Object.fromEntries(list(complexMembersMax + 1).map((item) => [`m${item.id}`, item]));
    expect(problemOf({ format: 'complex', ...members })).toMatchObject({ code: 'invalid-request' });
    expect(problemOf({ format: 'aliases', identifiers: list(aliasesMax + 1) })).toMatchObject({
      errors: [{ path: '/identifiers' }],
    });
    const many = (prefix: string) => ({
      format: 'aliases',
      identifiers: list(Math.ceil(Math.sqrt(subjectKeysMax)) + 1).map(({ id }) => ({
        format: 'opaque',
        id: prefix + id,
      })),
    });
    const query = parseSubject({ format: 'complex', user: many('u'), application: many('a') });
    expect(() => keysOfSubject(query, () => undefined)).not.toThrow();
    const keyed = (identifier: string) => [
      identifier.includes('u') ? { sub: identifier } : { client_id: identifier },
    ];
    expect(() => keysOfSubject(query, keyed)).toThrow(Problem);
  });

  it('what identifies one subject fits into an index, whatever its letters', () => {
    const long = {
      format: 'opaque',
      id: '\u{20AC}'.repeat(Math.floor((subjectBytesMax - 'opaque:'.length) / 3)),
    };
    expect(problemOf(long)).toBeUndefined();
    expect(problemOf({ ...long, id: `${long.id}\u{20AC}` })).toMatchObject({ code: 'invalid-request' });
    expect(problemOf({ iss: idp, sub: 'x'.repeat(subjectBytesMax) })).toMatchObject({
      code: 'invalid-request',
    });
    const identifiers = Array.from({ length: aliasesMax }, (_, index) => ({
      format: 'opaque',
      id: `${index}`.padEnd(80),
    }));
    expect(problemOf({ format: 'aliases', identifiers })).toMatchObject({ code: 'invalid-request' });
  });

  it('whatever JSON comes, it is read or refused with a problem', () => {
    fc.assert(
      fc.property(
        fc.dictionary(text, fc.jsonValue({ maxDepth: 3 })),
        fc.constantFrom('complex', 'aliases', 'uri', 'did'),
        (wire, format) => {
          for (const subject of [wire, { ...wire, format }]) {
            try {
              parseSubject(subject as JsonObject, { defaultIssuer: idp });
            } catch (thrown) {
              expect(thrown).toBeInstanceOf(Problem);
            }
          }
        },
      ),
    );
  });
});

describe('keys and conjunctions', () => {
  it('the same principal has the same key, however it is written', () => {
    const written: readonly JsonObject[] = [
      { iss: idp, sub: 'alice' },
      { sub: 'alice', iss: idp },
      { format: 'iss_sub', iss: idp, sub: 'alice' },
      { format: 'complex', user: { format: 'iss_sub', iss: idp, sub: 'alice' } },
      { format: 'aliases', identifiers: [{ format: 'iss_sub', iss: idp, sub: 'alice' }] },
    ];
    expect(new Set(written.map((subject) => parseSubject(subject).key)).size).toBe(1);
  });

  it('a client is not the subject of the same name', () => {
    expect(parseSubject({ iss: idp, sub: 'x' }).key).not.toBe(parseSubject({ iss: idp, client_id: 'x' }).key);
  });

  it('aliases are alternatives, each a key of its own', () => {
    const query = parseSubject({
      format: 'aliases',
      identifiers: [
        { format: 'iss_sub', iss: idp, sub: 'a' },
        { format: 'iss_sub', iss: 'https://other.example', sub: 'b' },
        { format: 'iss_sub', iss: idp, sub: 'a' },
      ],
    });
    expect(keysOfSubject(query, () => undefined).keys).toEqual([
      { iss: idp, sub: 'a' },
      { iss: 'https://other.example', sub: 'b' },
    ]);
  });

  it('what is linked to an identifier counts; without keys yet it is known all the same', () => {
    const query = parseSubject({ format: 'email', email: 'a@example.com' });
    expect(keysOfSubject(query, () => [{ jkt }])).toEqual({ keys: [{ jkt }], unresolved: [], awaited: [] });
    expect(keysOfSubject(query, () => [])).toEqual({ keys: [], unresolved: [], awaited: [] });
  });

  it('conjunctions do not depend on order, and a contradiction is none', () => {
    fc.assert(
      fc.property(aMatch, aMatch, (one, other) => {
        const [first, second] = [mergeMatches(one, other), mergeMatches(other, one)];
        expect(first && matchKey(first)).toBe(second && matchKey(second));
        if (first) expect(covers(one, first) && covers(other, first)).toBe(true);
      }),
    );
    expect(mergeMatches({ jkt }, { jkt: otherJkt })).toBeUndefined();
  });

  it('a path covers what lies below it', () => {
    expect(covers({ workload: 'spiffe://td/*' }, { workload: 'spiffe://td/a' })).toBe(true);
    expect(covers({ workload: 'spiffe://td/a/*' }, { workload: 'spiffe://td/a' })).toBe(false);
    expect(covers({ iss: idp }, { iss: idp, sub: 'x' })).toBe(true);
    expect(covers({ iss: idp, sub: 'x' }, { iss: idp })).toBe(false);
  });
});

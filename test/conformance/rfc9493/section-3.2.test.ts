import { describe, expect, it } from 'vitest';
import { Problem } from '../../../src/core/problem.ts';
import { parseSubject } from '../../../src/core/subject.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';

/** The examples of RFC 9493 §3.2.1 to §3.2.8, and the line that each is looked up by. */
const examples: readonly (readonly [section: string, subject: JsonObject, identifiers: readonly string[]])[] =
  [
    [
      '§3.2.1',
      { format: 'account', uri: 'acct:example.user@service.example.com' },
      ['account:acct:example.user@service.example.com'],
    ],
    ['§3.2.2', { format: 'email', email: 'user@example.com' }, ['email:user@example.com']],
    [
      '§3.2.3',
      { format: 'iss_sub', iss: 'https://issuer.example.com/', sub: '145234573' },
      ['iss_sub:["https://issuer.example.com/","145234573"]'],
    ],
    ['§3.2.4', { format: 'opaque', id: '11112222333344445555' }, ['opaque:11112222333344445555']],
    ['§3.2.5', { format: 'phone_number', phone_number: '+12065550100' }, ['phone_number:+12065550100']],
    ['§3.2.6', { format: 'did', url: 'did:example:123456' }, ['did:did:example:123456']],
    [
      '§3.2.6, a DID URL',
      { format: 'did', url: 'did:example:123456/did/url/path?versionId=1' },
      ['did:did:example:123456'],
    ],
    ['§3.2.7', { format: 'uri', uri: 'https://user.example.com/' }, ['uri:https://user.example.com/']],
    [
      '§3.2.7, a URN',
      { format: 'uri', uri: 'urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f' },
      ['uri:urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f'],
    ],
    [
      '§3.2.8',
      {
        format: 'aliases',
        identifiers: [
          { format: 'email', email: 'user@example.com' },
          { format: 'phone_number', phone_number: '+12065550100' },
          { format: 'email', email: 'user+qualifier@example.com' },
        ],
      },
      ['email:user+qualifier@example.com', 'email:user@example.com', 'phone_number:+12065550100'],
    ],
  ];

const refusals: readonly (readonly [section: string, subject: JsonObject, path: string])[] = [
  ['§3: a format is text', { format: 5 }, '/format'],
  ['§3.2.1: an acct URI', { format: 'account', uri: 'https://example.com/' }, '/uri'],
  ['§3.2.2: null is no address', { format: 'email', email: null }, '/email'],
  ['§3.2.2: nor is empty text', { format: 'email', email: '' }, '/email'],
  ['§3.2.2: nor a name', { format: 'email', email: 'user' }, '/email'],
  ['§3.2.3: iss is required', { format: 'iss_sub', sub: 'x' }, '/iss'],
  ['§3.2.3: sub is required', { format: 'iss_sub', iss: 'x', subject: 'y' }, '/sub'],
  ['§3.2.4: an id is text', { format: 'opaque', id: 7 }, '/id'],
  [
    '§3.2.5: with the international prefix',
    { format: 'phone_number', phone_number: '2065550100' },
    '/phone_number',
  ],
  ['§3.2.5: digits only', { format: 'phone_number', phone_number: '+1 206 555 0100' }, '/phone_number'],
  ['§3.2.6: a DID', { format: 'did', url: 'https://example.com' }, '/url'],
  ['§3.2.7: a URI has a scheme', { format: 'uri', uri: '//user.example.com' }, '/uri'],
  ['§3.2.8: not empty', { format: 'aliases', identifiers: [] }, '/identifiers'],
  [
    '§3.2.8: not nested',
    { format: 'aliases', identifiers: [{ format: 'aliases', identifiers: [{ format: 'opaque', id: '1' }] }] },
    '/identifiers/0',
  ],
];

describe('RFC 9493 §3.2: identifier formats', () => {
  it.each(examples)('%s: %o', (_, subject, identifiers) => {
    expect(parseSubject(subject).parts).toMatchObject([{ role: 'subject', identifiers }]);
  });

  it.each(refusals)('%s', (_, subject, path) => {
    expect(problemOf(subject)).toMatchObject({ code: 'invalid-request', errors: [{ path }] });
  });

  it('§3, SSF §4.2.3: members that the format does not describe are ignored', () => {
    expect(parseSubject({ format: 'opaque', id: '1', extra: true })).toEqual(
      parseSubject({ format: 'opaque', id: '1' }),
    );
  });

  it('§3.1: an unknown format is refused with the known ones', () => {
    const problem = problemOf({ format: 'badge', number: 5 });
    expect(problem).toMatchObject({ code: 'unknown-subject-format', errors: [{ path: '/format' }] });
    for (const format of ['account', 'iss_sub', 'aliases', 'complex', 'jwt_id'])
      expect(problem?.hint).toContain(format);
  });
});

function problemOf(subject: JsonObject): Problem | undefined {
  try {
    parseSubject(subject);
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown;
    throw thrown;
  }
  return undefined;
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StreamSubject } from '../../src/core/stream.ts';
import { admits, matchesSubject } from '../../src/core/subject-matching.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';

const user = (email: string) => ({ format: 'email', email });
const complex = (parts: JsonObject) => ({ format: 'complex', ...parts });
const added = (subject: JsonObject): StreamSubject => ({ subject, listed: 'added', verified: true });
const removed = (subject: JsonObject): StreamSubject => ({ subject, listed: 'removed', verified: true });
const [ann, bob] = [user('ann@example.com'), user('bob@example.com')];
const [acme, phone] = [
  { format: 'opaque', id: 'acme' },
  { format: 'opaque', id: 'phone' },
];

/** Few values, so that subjects meet. */
const aPart = fc
  .constantFrom('1', '2')
  .chain((id) => fc.constantFrom<JsonObject>({ format: 'opaque', id }, { id, format: 'opaque' }));
const aSubject: fc.Arbitrary<JsonObject> = fc.oneof(
  aPart,
  fc
    .record({ user: aPart, device: aPart, tenant: aPart }, { requiredKeys: [] })
    .filter((parts) => Object.keys(parts).length > 0)
    .map(complex),
);
const aList = fc.array(fc.record({ subject: aSubject, add: fc.boolean() }), { maxLength: 8 });

const same = (one: unknown, other: unknown): boolean => {
  try {
    expect(one).toStrictEqual(other);
    return true;
  } catch {
    return false;
  }
};

/** The text of SSF 1.0 §8.1.3.1, as literally as it goes. */
function literallyMatches(one: JsonObject, other: JsonObject): boolean {
  if (one['format'] !== 'complex' && other['format'] !== 'complex') return same(one, other);
  if (one['format'] !== other['format']) return false;
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].every(
    (name) => one[name] === undefined || other[name] === undefined || same(one[name], other[name]),
  );
}

function isAbout({ subject, listed }: StreamSubject, event: JsonObject): boolean {
  if (!literallyMatches(subject, event)) return false;
  if (subject['format'] !== 'complex') return true;
  const names = Object.keys(subject).filter((name) => name !== 'format');
  return listed === 'added'
    ? names.some((name) => event[name] !== undefined)
    : names.every((name) => event[name] !== undefined);
}

describe('SSF 1.0 §8.1.3.1: two subjects', () => {
  it('match as the text says, either way round', () => {
    fc.assert(
      fc.property(aSubject, aSubject, (one, other) => {
        expect(matchesSubject(one, other)).toBe(literallyMatches(one, other));
        expect(matchesSubject(other, one)).toBe(matchesSubject(one, other));
        expect(matchesSubject(one, one)).toBe(true);
      }),
    );
  });

  it('are equal as JSON: the order of members says nothing, that of elements does, and case counts', () => {
    expect(
      matchesSubject({ format: 'iss_sub', iss: 'a', sub: 'b' }, { sub: 'b', iss: 'a', format: 'iss_sub' }),
    ).toBe(true);
    const addresses = (...list: string[]) => ({ format: 'ip-addresses', 'ip-addresses': list });
    expect(matchesSubject(addresses('::1', '::2'), addresses('::2', '::1'))).toBe(false);
    expect(matchesSubject(ann, user('Ann@example.com'))).toBe(false);
  });

  it('never match when one is simple and the other complex', () => {
    expect(matchesSubject(ann, complex({ user: ann }))).toBe(false);
  });
});

describe('what a stream admits', () => {
  it('is what the latest call about the subject said, as a walk over all of them finds it', () => {
    fc.assert(
      fc.property(
        aList,
        aSubject,
        fc.constantFrom('ALL' as const, 'NONE' as const),
        (calls, event, fallback) => {
          const subjects = calls.map(({ subject, add }) => (add ? added(subject) : removed(subject)));
          const latest = subjects.findLast((listed) => isAbout(listed, event));
          const expected = latest === undefined ? fallback === 'ALL' : latest.listed === 'added';
          expect(admits({ defaultSubjects: fallback, subjects }, event)).toBe(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['ALL has everybody', 'ALL', [], ann, true],
    ['NONE has nobody', 'NONE', [], ann, false],
    ['ALL without those removed', 'ALL', [removed(ann)], ann, false],
    ['and with everybody else', 'ALL', [removed(ann)], bob, true],
    ['NONE with those added', 'NONE', [added(ann)], ann, true],
    [
      'a whole tenant, in an event about one of its users',
      'NONE',
      [added(complex({ tenant: acme }))],
      complex({ tenant: acme, user: ann }),
      true,
    ],
    [
      'a user with a device, in an event about the user',
      'NONE',
      [added(complex({ user: ann, device: phone }))],
      complex({ user: ann }),
      true,
    ],
    [
      'one device does not bring everybody',
      'NONE',
      [added(complex({ device: phone }))],
      complex({ user: ann }),
      false,
    ],
    [
      'a device taken off does not silence its user',
      'ALL',
      [removed(complex({ user: ann, device: phone }))],
      complex({ user: ann }),
      true,
    ],
    [
      'one user of a tenant added back',
      'ALL',
      [removed(complex({ tenant: acme })), added(complex({ tenant: acme, user: ann }))],
      complex({ tenant: acme, user: ann }),
      true,
    ],
    [
      'one user of an added tenant taken off',
      'NONE',
      [added(complex({ tenant: acme })), removed(complex({ tenant: acme, user: ann }))],
      complex({ tenant: acme, user: ann }),
      false,
    ],
  ] as const)('%s', (_name, defaultSubjects, subjects, event, expected) => {
    expect(admits({ defaultSubjects, subjects }, event)).toBe(expected);
  });

  it('answers at once among 100,000, simple or complex', () => {
    const subjects = Array.from({ length: 100_000 }, (_, index) =>
      added(
        index % 2 === 0
          ? user(`user-${index}@example.com`)
          : complex({ tenant: acme, user: user(`user-${index}@example.com`) }),
      ),
    );
    const stream = { defaultSubjects: 'NONE' as const, subjects };
    expect(admits(stream, user('user-2@example.com'))).toBe(true);
    for (let index = 0; index < 1_000; index += 1) {
      const email = user(`user-${index}@example.com`);
      expect(admits(stream, index % 2 === 0 ? email : complex({ tenant: acme, user: email }))).toBe(true);
      expect(admits(stream, complex({ tenant: phone, user: email }))).toBe(false);
    }
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DefaultSubjects } from '../../src/core/stream.ts';
import { admits, createSubjectList, type Listing } from '../../src/core/subject-matching.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';

const user = (email: string) => ({ format: 'email', email });
const complex = (parts: JsonObject) => ({ format: 'complex', ...parts });
type Call = { readonly subject: JsonObject; readonly listing: Listing };
const added = (subject: JsonObject): Call => ({ subject, listing: 'added' });
const removed = (subject: JsonObject): Call => ({ subject, listing: 'removed' });
const listOf = (calls: readonly Call[]) => {
  const list = createSubjectList();
  for (const { subject, listing } of calls) list.put(subject, listing);
  return list;
};
const hears = (defaultSubjects: DefaultSubjects, calls: readonly Call[], event: JsonObject): boolean =>
  admits({ defaultSubjects, subjects: listOf(calls) }, event);
/** What production asks of a stream that has nobody but `listed`. */
const matches = (listed: JsonObject, event: JsonObject): boolean => hears('NONE', [added(listed)], event);
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
/** Fewer of them, so that calls about one subject and questions about it meet as well. */
const ofTwoMembers: fc.Arbitrary<JsonObject> = fc
  .record({ user: aPart, device: aPart }, { requiredKeys: ['user'] })
  .map(complex);
const aCall = (subject: fc.Arbitrary<JsonObject>) =>
  fc.record({
    subject,
    listing: fc.constantFrom<Listing>('added', 'removed', 'forgotten'),
  });
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

function isAbout({ subject, listing }: Call, event: JsonObject): boolean {
  if (listing === 'forgotten' || !literallyMatches(subject, event)) return false;
  if (subject['format'] !== 'complex') return true;
  const names = Object.keys(subject).filter((name) => name !== 'format');
  return listing === 'added'
    ? names.some((name) => event[name] !== undefined)
    : names.every((name) => event[name] !== undefined);
}

/** The latest call about each subject, in the order of the calls. */
const latestCalls = (calls: readonly Call[]): readonly Call[] =>
  calls.filter(({ subject }, at) => !calls.slice(at + 1).some((later) => same(later.subject, subject)));

const hasMembersInCommon = (one: JsonObject, other: JsonObject): boolean =>
  one['format'] !== 'complex' ||
  Object.keys(one).some((name) => name !== 'format' && other[name] !== undefined);

describe('SSF 1.0 §8.1.3.1: a listed subject and that of an event', () => {
  it('match as the text says, either way round, if they have a member in common', () => {
    fc.assert(
      fc.property(aSubject, aSubject, (one, other) => {
        expect(matches(one, other)).toBe(literallyMatches(one, other) && hasMembersInCommon(one, other));
        expect(matches(other, one)).toBe(matches(one, other));
        expect(matches(one, one)).toBe(true);
      }),
    );
  });

  it('are equal as JSON: the order of members says nothing, that of elements does, and case counts', () => {
    expect(
      matches({ format: 'iss_sub', iss: 'a', sub: 'b' }, { sub: 'b', iss: 'a', format: 'iss_sub' }),
    ).toBe(true);
    const addresses = (...list: string[]) => ({ format: 'ip-addresses', 'ip-addresses': list });
    expect(matches(addresses('::1', '::2'), addresses('::2', '::1'))).toBe(false);
    expect(matches(ann, user('Ann@example.com'))).toBe(false);
  });

  it('never match when one is simple and the other complex', () => {
    expect(matches(ann, complex({ user: ann }))).toBe(false);
  });
});

describe('what a stream admits', () => {
  it('is what the latest call about the subject said, as a walk over all of them finds it, after each call', () => {
    const fallbacks = fc.constantFrom<DefaultSubjects>('ALL', 'NONE');
    const aStory = fc.constantFrom(aSubject, ofTwoMembers).chain((subject) =>
      fc.record({
        calls: fc.array(aCall(subject), { maxLength: 14 }),
        events: fc.array(subject, { minLength: 1, maxLength: 3 }),
      }),
    );
    fc.assert(
      fc.property(aStory, fallbacks, ({ calls, events }, fallback) => {
        const list = createSubjectList();
        for (const [at, { subject, listing }] of calls.entries()) {
          list.put(subject, listing);
          const said = latestCalls(calls.slice(0, at + 1));
          for (const event of events) {
            const latest = said.findLast((call) => isAbout(call, event));
            const expected = latest === undefined ? fallback === 'ALL' : latest.listing === 'added';
            expect(admits({ defaultSubjects: fallback, subjects: list }, event)).toBe(expected);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('stays so when more was said than is kept: what was replaced is let go of', () => {
    const list = createSubjectList();
    const event = complex({ tenant: acme });
    const ofTenant = (turn: number) => complex({ tenant: acme, user: user(`u${turn % 3}@example.com`) });
    for (let turn = 0; turn < 5_000; turn += 1) {
      list.put(ofTenant(turn), turn % 2 === 0 ? 'added' : 'forgotten');
      if (turn % 7 === 0) expect(list.latestAbout(event)).toBe('added');
    }
    for (const turn of [0, 1, 2]) list.put(ofTenant(turn), 'forgotten');
    expect(list.latestAbout(event)).toBeUndefined();
    list.put(ofTenant(1), 'removed');
    expect([list.latestAbout(event), list.latestAbout(ofTenant(1))]).toEqual([undefined, 'removed']);
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
    expect(hears(defaultSubjects, subjects, event)).toBe(expected);
  });

  it('members that nothing listed has say nothing, and cost nothing however many are made up', () => {
    const ofUser = (index: number) => complex({ tenant: acme, user: user(`user-${index}@example.com`) });
    const list = listOf(Array.from({ length: 100_000 }, (_, index) => added(ofUser(index))));
    for (let index = 0; index < 1_000; index += 1) {
      const event = { ...ofUser(index), [`made_up_${index}`]: phone };
      expect(list.latestAbout(event)).toBe('added');
      expect(list.latestAbout({ ...event, tenant: phone })).toBeUndefined();
    }
    const late = complex({ made_up_1: phone, tenant: acme });
    list.put(late, 'removed');
    expect(list.latestAbout({ ...ofUser(1), made_up_1: phone })).toBe('removed');
    expect(list.latestAbout({ ...ofUser(1), made_up_2: phone })).toBe('added');
    list.put(late, 'forgotten');
    expect(list.latestAbout({ ...ofUser(1), made_up_1: phone })).toBe('added');
  });

  it('answers at once among 100,000, simple or complex', () => {
    const subjects = Array.from({ length: 100_000 }, (_, index) =>
      added(
        index % 2 === 0
          ? user(`user-${index}@example.com`)
          : complex({ tenant: acme, user: user(`user-${index}@example.com`) }),
      ),
    );
    const list = listOf(subjects);
    const stream = { defaultSubjects: 'NONE' as const, subjects: list };
    expect(admits(stream, user('user-2@example.com'))).toBe(true);
    for (let index = 0; index < 1_000; index += 1) {
      const email = user(`user-${index}@example.com`);
      expect(admits(stream, index % 2 === 0 ? email : complex({ tenant: acme, user: email }))).toBe(true);
      expect(admits(stream, complex({ tenant: phone, user: email }))).toBe(false);
    }
    for (let index = 0; index < 1_000; index += 1) {
      const one = complex({ tenant: acme, user: user(`late-${index}@example.com`) });
      list.put(one, 'added');
      expect(admits(stream, one)).toBe(true);
      list.put(one, 'forgotten');
      expect(admits(stream, one)).toBe(false);
      expect(admits(stream, complex({ tenant: acme }))).toBe(true);
    }
  });
});

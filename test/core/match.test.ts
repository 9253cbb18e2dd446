import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CheckableEntry, check } from '../../src/core/match.ts';
import { effects, reaches } from '../../src/core/revocation.ts';
import type { TokenContext } from '../../src/core/token-context.ts';
import { jkt, nowSeconds, otherJkt } from './builders.ts';

/** Few values, so that entries and tokens meet. */
const iss = fc.constantFrom('https://a.example', 'https://b.example');
const name = fc.constantFrom('x', 'y');
const key = fc.constantFrom(jkt, otherJkt);
const second = fc.integer({ min: nowSeconds - 3, max: nowSeconds + 3 });
const holder = { sub: name, client_id: name, workload: fc.constantFrom('spiffe://td/a', 'spiffe://td/a/b') };
const token = { jkt: key, 'x5t#S256': key, jti: name, sid: name, token_sha256: key };

const match = fc
  .record(
    { iss, ...holder, workload: fc.constantFrom('spiffe://td/a', 'spiffe://td/a/*'), ...token },
    { requiredKeys: [] },
  )
  .filter((members) => Object.keys(members).length > 0);

const entry: fc.Arbitrary<CheckableEntry> = fc.record(
  {
    id: fc.uuid(),
    match,
    reach: fc.constantFrom(...reaches),
    effect: fc.constantFrom(...effects),
    cutOff: second,
    cutOffBasis: fc.constantFrom('issued', 'session'),
    lapsesAt: second,
  },
  { requiredKeys: ['id', 'match', 'reach', 'effect'] },
);
const entries = fc.uniqueArray(entry, { maxLength: 12, selector: ({ id }) => id });

const hop = fc.record({ iss, ...holder }, { requiredKeys: ['iss'] });
const context: fc.Arbitrary<TokenContext> = fc.record(
  { iss, ...holder, ...token, iat: second, auth_time: second, act: fc.array(hop, { maxLength: 3 }) },
  { requiredKeys: ['iss'] },
);

const rank = (effect: string) =>
  effect === 'allow' ? effects.length : (effects as readonly string[]).indexOf(effect);

describe('DESIGN §5, §14: points only ever subtract', () => {
  it('the order of entries changes neither the effect nor who matches', () => {
    fc.assert(
      fc.property(entries, context, (list, presented) => {
        const one = check(list, presented, nowSeconds);
        const other = check(list.toReversed(), presented, nowSeconds);
        expect(other.effect).toBe(one.effect);
        expect(other.matched.toSorted()).toEqual(one.matched.toSorted());
        expect(other.issuedAfter).toBe(one.issuedAfter);
      }),
    );
  });

  it('an entry more never makes the effect milder, and hides no match', () => {
    fc.assert(
      fc.property(entries, entry, context, (list, more, presented) => {
        const before = check(list, presented, nowSeconds);
        const after = check([...list, { ...more, id: 'more' }], presented, nowSeconds);
        expect(rank(after.effect)).toBeLessThanOrEqual(rank(before.effect));
        expect(after.matched).toEqual(expect.arrayContaining([...before.matched]));
      }),
    );
  });

  it('wider reach, a later cut-off and a later lapse match all that the narrower one does', () => {
    fc.assert(
      fc.property(entry, context, fc.nat({ max: 5 }), (narrow, presented, later) => {
        const wide = {
          ...narrow,
          reach: 'chain' as const,
          ...(narrow.cutOff !== undefined && { cutOff: narrow.cutOff + later }),
          ...(narrow.lapsesAt !== undefined && { lapsesAt: narrow.lapsesAt + later }),
        };
        const matched = (one: CheckableEntry) => check([one], presented, nowSeconds).matched.length;
        expect(matched(wide)).toBeGreaterThanOrEqual(matched(narrow));
      }),
    );
  });

  it('what is issued after `issued_after`, in a session from after it, is not denied', () => {
    fc.assert(
      fc.property(entries, context, (list, presented) => {
        const { issuedAfter } = check(list, presented, nowSeconds);
        if (issuedAfter === undefined) return;
        const fresh = { ...presented, iat: issuedAfter + 1, auth_time: issuedAfter + 1 };
        expect(check(list, fresh, nowSeconds).effect).not.toBe('deny');
      }),
    );
  });
});

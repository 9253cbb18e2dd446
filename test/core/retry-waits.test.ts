import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakerLimits } from '../../src/core/circuit-breaker.ts';
import { goOnTrying, planRetry, readRetryAfter, retryLimits } from '../../src/core/retry-waits.ts';

const attempt = { attempts: 1, ageMs: 0, chance: 0.5 };

describe('PUSH-21: waits between attempts', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [9, 256_000],
    [10, 300_000],
    [499, 300_000],
  ])('after %i attempts, with average luck, %i ms', (attempts, waitMs) => {
    expect(planRetry({ ...attempt, attempts })).toEqual({ kind: 'wait', waitMs });
  });

  it('lie anywhere up to the window, never at once, and never beyond the cap', () => {
    const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 499 }), chances, (attempts, chance) => {
        const plan = planRetry({ ...attempt, attempts, chance });
        if (plan.kind !== 'wait') throw new Error('it was given up');
        const window = Math.min(2_000 * 2 ** (attempts - 1), retryLimits.waitMsMax);
        expect(plan.waitMs).toBeGreaterThanOrEqual(retryLimits.waitMsMin);
        expect(plan.waitMs).toBeLessThanOrEqual(window);
      }),
    );
  });

  it('are never shorter than what the Receiver asked for, up to a cap', () => {
    expect(planRetry({ ...attempt, retryAfterMs: 30_000 })).toEqual({ kind: 'wait', waitMs: 30_000 });
    expect(planRetry({ ...attempt, retryAfterMs: 0 })).toEqual({ kind: 'wait', waitMs: 1_000 });
    expect(planRetry({ ...attempt, retryAfterMs: 10 ** 12 })).toEqual({ kind: 'wait', waitMs: 3_600_000 });
  });

  it('end after a day, or after so many attempts', () => {
    const day = 24 * 60 * 60_000;
    expect(planRetry({ ...attempt, ageMs: day - 1 }).kind).toBe('wait');
    expect(planRetry({ ...attempt, ageMs: day })).toEqual({ kind: 'give-up', because: 'age' });
    expect(planRetry({ ...attempt, attempts: 500 })).toEqual({ kind: 'give-up', because: 'attempts' });
  });
});

describe('for how long an endpoint has been tried', () => {
  const trying = { sinceMs: 1_000, lastAtMs: 5_000 };

  it('goes on with each attempt, and begins anew after a break', () => {
    const { breakMsMax } = retryLimits;
    const last = trying.lastAtMs + breakMsMax;
    expect(goOnTrying(trying, last)).toEqual({ sinceMs: 1_000, lastAtMs: last });
    expect(goOnTrying(trying, last + 1)).toEqual({ sinceMs: last + 1, lastAtMs: last + 1 });
  });

  it('no wait of ours, nor one that a Receiver asks for, is a break', () => {
    const longest = Math.max(retryLimits.retryAfterMsMax, retryLimits.waitMsMax) + breakerLimits.blockMsMax;
    expect(retryLimits.breakMsMax).toBeGreaterThan(longest);
    expect(retryLimits.breakMsMax).toBeLessThan(retryLimits.ageMsMax);
  });

  it('a clock that is set back ends no break', () => {
    expect(goOnTrying(trying, 10)).toEqual({ sinceMs: 1_000, lastAtMs: 10 });
  });
});

describe('RFC 9110 §10.2.3: Retry-After', () => {
  const nowMs = Date.UTC(1994, 10, 6, 8, 49, 7);

  it.each([
    ['120', 120_000],
    ['0', 0],
    [' 7 ', 7_000],
    ['99999999999999999999999999', 3_600_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 30_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 30_000],
    ['Sun Nov  6 08:49:37 1994', 30_000],
    ['Sun, 06 Nov 1994 08:48:00 GMT', 0],
    ['Sun, 06 Nov 2094 08:49:37 GMT', 3_600_000],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e9', undefined],
    ['soon', undefined],
    ['', undefined],
    ['Sun, 06 Nov 1994 08:49:37 CET', undefined],
    ['Sun, 06 Foo 1994 08:49:37 GMT', undefined],
    [undefined, undefined],
  ])('%j asks for %s ms', (value, waitMs) => expect(readRetryAfter(value, nowMs)).toBe(waitMs));
});

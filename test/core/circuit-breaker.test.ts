import { describe, expect, it } from 'vitest';
import { admitAttempt, type Breaker, closedBreaker, noteAttempt } from '../../src/core/circuit-breaker.ts';

/** Attempts that fail one after the other, each as soon as it may begin; answers how long each block was. */
function fail(breaker: Breaker, times: number, fromMs: number): { breaker: Breaker; blocksMs: number[] } {
  const blocksMs: number[] = [];
  let now = fromMs;
  let current = breaker;
  for (let attempt = 0; attempt < times; attempt += 1) {
    now = Math.max(now, current.blockedUntilMs);
    current = admitAttempt(current, now).breaker;
    current = noteAttempt(current, { outcome: 'failure', startedAtMs: now, nowMs: now + 1 });
    now += 1;
    blocksMs.push(Math.max(0, current.blockedUntilMs - now));
  }
  return { breaker: current, blocksMs };
}

describe('the circuit breaker of an endpoint', () => {
  it('opens at the fifth failure in a row, for 10 s, then twice as long, up to 5 min', () => {
    expect(fail(closedBreaker, 12, 0).blocksMs).toEqual([
      ...[0, 0, 0, 0],
      ...[10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000],
    ]);
  });

  it('lets one through when a block is over, and another only if that one is never heard of again', () => {
    const { breaker } = fail(closedBreaker, 5, 0);
    const overMs = breaker.blockedUntilMs;
    expect(admitAttempt(breaker, overMs - 1).isAdmitted).toBe(false);
    const first = admitAttempt(breaker, overMs);
    expect(first.isAdmitted).toBe(true);
    expect(admitAttempt(first.breaker, overMs).isAdmitted).toBe(false);
    expect(admitAttempt(first.breaker, overMs + 14_999).isAdmitted).toBe(false);
    expect(admitAttempt(first.breaker, overMs + 15_000).isAdmitted).toBe(true);
  });

  it('closes with any answer', () => {
    const { breaker } = fail(closedBreaker, 9, 0);
    expect(noteAttempt(breaker, { outcome: 'answer', startedAtMs: 0, nowMs: 1 })).toEqual(closedBreaker);
    const four = fail(closedBreaker, 4, 0).breaker;
    const after = noteAttempt(four, { outcome: 'answer', startedAtMs: 5, nowMs: 6 });
    expect(fail(after, 4, 10).blocksMs).toEqual([0, 0, 0, 0]);
  });

  it('a burst that fails together opens it once', () => {
    let breaker = closedBreaker;
    for (let attempt = 0; attempt < 50; attempt += 1) {
      breaker = noteAttempt(breaker, { outcome: 'failure', startedAtMs: 0, nowMs: 100 + attempt });
    }
    expect(breaker).toEqual({ failuresInRow: 5, blockedUntilMs: 10_104, openedAtMs: 104 });
  });

  it('lets everything through while it is closed', () => {
    const { breaker } = fail(closedBreaker, 4, 0);
    expect(admitAttempt(breaker, 4)).toEqual({ isAdmitted: true, breaker });
  });
});

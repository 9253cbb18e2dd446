import { describe, expect, it } from 'vitest';
import {
  type AttemptOutcome,
  type Breaker,
  breakerLimits,
  closedBreaker,
  noteAttempt,
} from '../../src/core/circuit-breaker.ts';

/** Attempts that end badly one after the other, each as soon as it may begin; answers how long each block was. */
function fail(
  breaker: Breaker,
  times: number,
  {
    fromMs = 0,
    outcome = 'failure',
    isFirst = true,
  }: { readonly fromMs?: number; readonly outcome?: AttemptOutcome; readonly isFirst?: boolean } = {},
): { breaker: Breaker; blocksMs: number[] } {
  const blocksMs: number[] = [];
  let now = fromMs;
  let current = breaker;
  for (let attempt = 0; attempt < times; attempt += 1) {
    now = Math.max(now, current.blockedUntilMs);
    current = noteAttempt(current, { outcome, isFirst, startedAtMs: now, nowMs: now + 1 });
    now += 1;
    blocksMs.push(Math.max(0, current.blockedUntilMs - now));
  }
  return { breaker: current, blocksMs };
}

const doubled = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1_000);

describe('the circuit breaker of an endpoint', () => {
  it('opens with the fifth SET in a row that fails, for 1 s, then twice as long, up to 5 min', () => {
    expect(fail(closedBreaker, 15).blocksMs).toEqual([0, 0, 0, 0, ...doubled]);
  });

  it('opens with the first refusal, for as short a time', () => {
    expect(fail(closedBreaker, 11, { outcome: 'refusal' }).blocksMs).toEqual(doubled);
    const beyond = fail(closedBreaker, 7).breaker;
    expect(fail(beyond, 1, { fromMs: beyond.blockedUntilMs, outcome: 'refusal' }).blocksMs).toEqual([8_000]);
  });

  it('a SET that fails again and again makes nobody wait longer', () => {
    for (const outcome of ['failure', 'refusal'] as const) {
      expect(fail(closedBreaker, 9, { outcome, isFirst: false }).blocksMs).toEqual(Array(9).fill(0));
      const open = fail(closedBreaker, 6).breaker;
      const again = fail(open, 9, { fromMs: open.blockedUntilMs, outcome, isFirst: false });
      expect(again.blocksMs).toEqual(Array(9).fill(2_000));
      expect(again.breaker.failuresInRow).toBe(6);
    }
  });

  it('closes with any answer', () => {
    const { breaker } = fail(closedBreaker, 9);
    const answer = { outcome: 'answer', startedAtMs: 0, nowMs: 1 } as const;
    for (const isFirst of [true, false]) {
      expect(noteAttempt(breaker, { ...answer, isFirst })).toEqual(closedBreaker);
    }
    const four = fail(closedBreaker, 4).breaker;
    const after = noteAttempt(four, { ...answer, isFirst: true, startedAtMs: 5, nowMs: 6 });
    expect(fail(after, 4, { fromMs: 10 }).blocksMs).toEqual([0, 0, 0, 0]);
  });

  it.each([
    ['failure', 4],
    ['refusal', 0],
  ] as const)('a burst of which each is a %s opens it once', (outcome, before) => {
    let breaker = closedBreaker;
    for (let attempt = 0; attempt < 50; attempt += 1) {
      breaker = noteAttempt(breaker, { outcome, isFirst: true, startedAtMs: 0, nowMs: 100 + attempt });
    }
    const openedAtMs = 100 + before;
    expect(breaker).toEqual({
      failuresInRow: breakerLimits.failuresMax,
      blockedUntilMs: openedAtMs + breakerLimits.firstBlockMs,
      openedAtMs,
    });
  });
});

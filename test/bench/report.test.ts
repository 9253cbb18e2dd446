import { describe, expect, it } from 'vitest';
import type { Line, Row } from '../../bench/contract.ts';
import { inTurns, median, percentile } from '../../bench/measure.ts';
import { toJson, toTable } from '../../bench/report.ts';

const row: Row = {
  name: 'example',
  title: 'an example',
  durability: 'none',
  algorithm: 'ES256',
  run: async () => ({ lines: [] }),
};

const aLine = (more: Partial<Line> = {}): Line => ({
  what: 'something',
  figure: 'requests',
  unit: '/s',
  ours: [80, 40, 90],
  baseline: { name: 'bare', values: [100, 50, 100] },
  ...more,
});

const report = (line: Line) => toTable([{ row, result: { lines: [line] } }]);

describe('the report of a measurement', () => {
  it('compares within a round, so that what slowed a whole round down does not count', () => {
    expect(report(aLine())).toContain('| 0.80 (0.80–0.90) |');
  });

  it('says for each row its durability, algorithm and Node version', () => {
    const text = report(aLine());
    expect(text).toContain(`Durability: none. Algorithm: ES256. Node ${process.versions.node}.`);
  });

  it('says when a budget is missed, and when it is met', () => {
    const atLeast = (least: number) => ({ text: `≥ ${least}`, holds: (ratio: number) => ratio >= least });
    expect(report(aLine({ budget: atLeast(0.85) }))).toContain('≥ 0.85: missed');
    expect(report(aLine({ budget: atLeast(0.8) }))).toContain('≥ 0.8: met');
  });

  it('keeps every round for machines', () => {
    const json = JSON.parse(
      toJson('two cores', [{ row, result: { lines: [aLine()], notes: ['a note'] } }]),
    ) as {
      machine: string;
      rows: { notes: string[]; lines: { ours: { rounds: number[] } }[] }[];
    };
    expect(json.rows[0]?.lines[0]?.ours.rounds).toEqual([80, 40, 90]);
    expect(json.machine).toBe('two cores');
    expect(json.rows[0]?.notes).toEqual(['a note']);
  });
});

describe('measuring', () => {
  it('lets contestants take turns, and does not count the first round', async () => {
    const turns: string[] = [];
    const values = await inTurns(2, {
      a: () => turns.push('a'),
      b: () => turns.push('b'),
    });
    expect(turns).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(values).toEqual({ a: [3, 5], b: [4, 6] });
  });

  it('takes medians and percentiles of values in any order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0.5, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 99, 100]);
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });
});

import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { inTurns } from '../measure.ts';
import { startHelper } from '../processes.ts';

const lookUpsPerRound = 100_000;

export const revocationLookup: Row = {
  name: 'revocation-lookup',
  title: 'looking up a whole token context, and the memory of an entry',
  durability: 'none, in memory',
  algorithm: 'exact match; keys hashed with HalfSipHash-1-3',
  run,
};

async function run({ quick, progress }: Settings): Promise<RowResult> {
  const sizes = quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000];
  const lines: Line[] = [];
  for (const size of sizes) {
    lines.push(...(await atSize(size, quick ? 3 : 15)));
    progress(`${size.toLocaleString('en')} entries`);
  }
  return { lines };
}

/** Each set in a process of its own, so that neither pays for the other's memory. */
async function atSize(size: number, rounds: number): Promise<readonly Line[]> {
  const flags = ['--expose-gc'];
  const cache = startHelper('live-set', { flags });
  const maps = startHelper('live-set', { flags });
  try {
    const bytes = {
      cache: await cache.ask<number>('fill', { kind: 'cache', count: size }),
      maps: await maps.ask<number>('fill', { kind: 'maps', count: size }),
    };
    const look = { times: lookUpsPerRound };
    const times = await inTurns(rounds, {
      cache: () => cache.ask<number>('look', look),
      maps: () => maps.ask<number>('look', look),
    });
    return linesOf(size, bytes, times);
  } finally {
    await Promise.all([cache.end(), maps.end()]);
  }
}

function linesOf(
  size: number,
  bytes: { readonly cache: number; readonly maps: number },
  times: { readonly cache: readonly number[]; readonly maps: readonly number[] },
): readonly Line[] {
  const what = `${size.toLocaleString('en')} entries`;
  const name = 'one Map per kind';
  const isBudgeted = size === 1_000_000;
  return [
    {
      what,
      figure: 'look-up',
      unit: 'µs',
      ours: times.cache,
      baseline: { name, values: times.maps },
      ...(isBudgeted && { budget: { text: '≤ 2 µs', holds: (_ratio: number, ours: number) => ours <= 2 } }),
    },
    {
      what,
      figure: 'an entry',
      unit: 'bytes',
      ours: [bytes.cache],
      baseline: { name, values: [bytes.maps] },
      ...(isBudgeted && {
        budget: { text: '≤ 100 bytes', holds: (_ratio: number, ours: number) => ours <= 100 },
      }),
    },
  ];
}

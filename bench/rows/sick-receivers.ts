import { join } from 'node:path';
import type { Other } from '../children/push-receivers.ts';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { startHub, withDirectory } from '../hub.ts';
import { inTurns, percentile } from '../measure.ts';
import { startHelper } from '../processes.ts';
import { embedded } from '../storages.ts';
import { openStreams, type Teller, tellerBy } from '../transmitting.ts';

const healthy = 98;
/** The lag of the others, over what it is where everybody is well, at most. */
const budgetRatio = 1.1;
const figures = { p50: 0.5, p99: 0.99, max: 1 } as const;

export const sickReceivers: Row = {
  name: 'sick-receivers',
  title: `kills posted until ${healthy} healthy Receivers have them, while one hangs and one answers 500`,
  durability: embedded.durability,
  algorithm: 'RS256 with keys of 3,072 bits',
  run,
};

function run({ quick }: Settings): Promise<RowResult> {
  return withDirectory(async (directory) => {
    const sick = await startTelling(join(directory, 'sick'), ['hangs', 'fails']);
    const well = await startTelling(join(directory, 'well'), ['answers', 'answers']);
    try {
      const kills = quick ? 3 : 10;
      const turns = { sick: [] as Turn[], well: [] as Turn[] };
      await inTurns(quick ? 2 : 7, {
        sick: async () => turns.sick.push(await takeTurn(sick, kills)),
        well: async () => turns.well.push(await takeTurn(well, kills)),
      });
      // The first of each was the warm-up.
      return { lines: linesOf(turns.sick.slice(1), turns.well.slice(1)), notes };
    } finally {
      await Promise.all([sick.end(), well.end()]);
    }
  });
}

const notes = [
  'Both are hubs with 100 streams; the yardstick is the one whose other two Receivers answer 202 like the rest.',
  "Processor time is that of the hub's process, all its threads, the embedded database among them.",
  'Kills come one after the other, each when all who are well have the one before: what the sick did not take keeps piling up.',
];

type Watched = Teller & { readonly cpuMicros: () => Promise<number>; readonly end: () => Promise<unknown> };
type Turn = {
  /** Of each kill at each healthy Receiver. */
  readonly lagsMs: readonly number[];
  /** What the hub's process used of the processor for each kill. */
  readonly processorMs: number;
};

/** A hub whose other Receivers are of these kinds. */
async function startTelling(dataDir: string, others: readonly Other[]): Promise<Watched> {
  const hub = await startHub(embedded, dataDir);
  const receivers = startHelper('push-receivers');
  await openStreams(hub, receivers, { counted: healthy, others }, 'RS256');
  return {
    ...tellerBy(receivers, `${hub.url}/v1/signals`, hub.sourceToken),
    cpuMicros: () => hub.probe<number>('cpuMicros'),
    end: () => Promise.all([hub.end(), receivers.end()]),
  };
}

async function takeTurn({ kill, cpuMicros }: Watched, kills: number): Promise<Turn> {
  const startedMicros = await cpuMicros();
  const lagsMs: number[] = [];
  for (let number = 0; number < kills; number += 1) lagsMs.push(...(await kill()));
  return { lagsMs, processorMs: ((await cpuMicros()) - startedMicros) / 1_000 / kills };
}

function linesOf(sick: readonly Turn[], well: readonly Turn[]): readonly Line[] {
  const what = `${healthy} healthy Receivers`;
  const name = 'nobody is sick';
  const lags = Object.entries(figures).map(([figure, share]): Line => {
    const at = (turns: readonly Turn[]) => turns.map(({ lagsMs }) => percentile(lagsMs, share));
    return {
      what,
      figure,
      unit: 'ms',
      ours: at(sick),
      baseline: { name, values: at(well) },
      ...(figure !== 'max' && {
        budget: { text: '≤ 1.10 ×', holds: (ratio: number) => ratio <= budgetRatio },
      }),
    };
  });
  const processor = (turns: readonly Turn[]) => turns.map(({ processorMs }) => processorMs);
  const baseline = { name, values: processor(well) };
  return [...lags, { what, figure: 'processor, a kill', unit: 'ms', ours: processor(sick), baseline }];
}

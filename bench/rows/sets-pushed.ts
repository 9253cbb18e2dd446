import { join } from 'node:path';
import { signingAlgorithms, type SigningAlgorithm } from '../../src/core/stream.ts';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { withDirectory } from '../hub.ts';
import { inTurns } from '../measure.ts';
import { onEachStorage, type Storage } from '../storages.ts';
import { type Teller, withTransmitting } from '../transmitting.ts';

const streams = 50;
/** Of the bare signing loop, at least. */
const budgetShare = 0.7;
const measured = signingAlgorithms.filter((algorithm) => algorithm !== 'EdDSA');

export const setsPushed: Row = {
  name: 'sets-pushed',
  title: `SETs signed, stored and pushed, to ${streams} streams at a time`,
  durability: 'named in each line: embedded survives kill -9, PostgreSQL (fsync on) the machine',
  algorithm: 'named in each line: RS256 with keys of 3,072 bits, ES256; WebCrypto on the threads of libuv',
  run,
};

async function run(settings: Settings): Promise<RowResult> {
  const { lines, notes } = await onEachStorage(async (storage) => {
    const found: Line[] = [];
    for (const algorithm of measured) {
      found.push(...(await withDirectory((directory) => pushed(storage, algorithm, directory, settings))));
      settings.progress(`${storage.name}, ${algorithm}`);
    }
    return found;
  });
  return {
    lines,
    notes: [
      ...notes,
      'Ours is timed from the sending of the signals until the last SET is in a Receiver: HTTP, decisions, commits and fan-out are in it.',
      'On the clock signing alone has both cores; the hub shares them with the Receivers, PostgreSQL and who posts the signals.',
      "In processor time only the hub's own process counts, all its threads: the embedded database is in it, PostgreSQL is not. It is counted until all is written down as delivered.",
    ],
  };
}

function pushed(
  storage: Storage,
  algorithm: SigningAlgorithm,
  directory: string,
  { quick }: Settings,
): Promise<readonly Line[]> {
  const kills = quick ? 2 : 20;
  return withTransmitting(
    { storage, dataDir: join(directory, 'hub'), algorithm, streams },
    async (transmitting) => {
      const inProcessorTime = { ours: [] as number[], signing: [] as number[] };
      const clock = await inTurns(quick ? 2 : 5, {
        async ours() {
          const startedMicros = await transmitting.cpuMicros();
          const rate = await setsPerSecond(transmitting.ours, kills);
          await transmitting.settled();
          const micros = (await transmitting.cpuMicros()) - startedMicros;
          inProcessorTime.ours.push((kills * streams * 1_000_000) / micros);
          return rate;
        },
        async signing() {
          const rates = await transmitting.signBare(kills * streams);
          inProcessorTime.signing.push(rates.processor);
          return rates.clock;
        },
        pushing: () => setsPerSecond(transmitting.bare, kills),
      });
      return linesOf(`${algorithm}, ${storage.name}`, algorithm, clock, inProcessorTime);
    },
  );
}

type Values<Name extends string> = Readonly<Record<Name, readonly number[]>>;

function linesOf(
  what: string,
  algorithm: SigningAlgorithm,
  clock: Values<'ours' | 'signing' | 'pushing'>,
  inProcessorTime: Values<'ours' | 'signing'>,
): readonly Line[] {
  const name = 'signing, nothing else';
  const onTheClock = { what, figure: 'SETs', unit: '/s', ours: clock.ours } as const;
  // The first of each was the warm-up.
  const afterWarmUp = (values: readonly number[]) => values.slice(1);
  return [
    {
      ...onTheClock,
      baseline: { name, values: clock.signing },
      ...(algorithm === 'RS256' && {
        budget: { text: '≥ 70 %', holds: (ratio: number) => ratio >= budgetShare },
      }),
    },
    { ...onTheClock, baseline: { name: 'signing and POST', values: clock.pushing } },
    {
      what,
      figure: 'SETs in processor time',
      unit: '/s',
      ours: afterWarmUp(inProcessorTime.ours),
      baseline: { name, values: afterWarmUp(inProcessorTime.signing) },
    },
  ];
}

async function setsPerSecond(teller: Teller, kills: number): Promise<number> {
  const heard = await Promise.all(Array.from({ length: kills }, () => teller.kill()));
  const lastMs = Math.max(...heard.flat());
  return (kills * streams * 1_000) / lastMs;
}

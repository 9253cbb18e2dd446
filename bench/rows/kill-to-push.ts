import { join } from 'node:path';
import type { SigningAlgorithm } from '../../src/core/stream.ts';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { withDirectory } from '../hub.ts';
import { inTurns, percentile } from '../measure.ts';
import { onEachStorage, type Storage } from '../storages.ts';
import { type Teller, withTransmitting } from '../transmitting.ts';

const budgetMs = 50;
const shares = { p50: 0.5, p99: 0.99 } as const;

export const killToPush: Row = {
  name: 'kill-to-push',
  title: 'a kill posted until its SET is in the Receiver, one after the other',
  durability: 'named in each line: embedded survives kill -9, PostgreSQL (fsync on) the machine',
  algorithm: 'named in each line: RS256 with keys of 3,072 bits, ES256',
  run,
};

async function run(settings: Settings): Promise<RowResult> {
  const { lines, notes } = await onEachStorage(async (storage) => {
    const found: Line[] = [];
    for (const algorithm of ['RS256', 'ES256'] as const) {
      found.push(...(await withDirectory((directory) => timed(storage, algorithm, directory, settings))));
      settings.progress(`${storage.name}, ${algorithm}`);
    }
    return found;
  });
  return {
    lines,
    notes: [
      ...notes,
      'From the sending of the POST until the body of the push is whole and parsed in a process of its own. The yardstick answers the POST, signs and posts on: it neither decides nor stores.',
    ],
  };
}

function timed(
  storage: Storage,
  algorithm: SigningAlgorithm,
  directory: string,
  { quick }: Settings,
): Promise<readonly Line[]> {
  const kills = quick ? 10 : 50;
  return withTransmitting(
    { storage, dataDir: join(directory, 'hub'), algorithm, streams: 1 },
    async (transmitting) => {
      const times = { ours: [] as (readonly number[])[], bare: [] as (readonly number[])[] };
      const turn = (side: keyof typeof times) => async () => {
        times[side].push(await firstHeard(transmitting[side], kills));
        if (side === 'ours') await transmitting.settled();
        return 0;
      };
      await inTurns(quick ? 2 : 5, { ours: turn('ours'), bare: turn('bare') });
      // The first of each was the warm-up.
      const at = (side: keyof typeof times, share: number) =>
        times[side].slice(1).map((some) => percentile(some, share));
      return Object.entries(shares).map(
        ([figure, share]): Line => ({
          what: `${algorithm}, ${storage.name}`,
          figure,
          unit: 'ms',
          ours: at('ours', share),
          baseline: { name: 'sign and POST on', values: at('bare', share) },
          ...(figure === 'p99' && {
            budget: { text: '≤ 50 ms', holds: (_ratio: number, ms: number) => ms <= budgetMs },
          }),
        }),
      );
    },
  );
}

async function firstHeard(teller: Teller, kills: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let number = 0; number < kills; number += 1) times.push(Math.min(...(await teller.kill())));
  return times;
}

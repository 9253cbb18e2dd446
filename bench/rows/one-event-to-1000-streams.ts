import { join } from 'node:path';
import type { SigningAlgorithm } from '../../src/core/stream.ts';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { withDirectory } from '../hub.ts';
import { inTurns } from '../measure.ts';
import { onEachStorage, type Storage } from '../storages.ts';
import { withTransmitting } from '../transmitting.ts';

export const oneEventToThousandStreams: Row = {
  name: 'one-event-to-1000-streams',
  title: 'one kill posted until each of 1,000 Receivers has its own SET, each at an origin of its own',
  durability: 'named in each line: embedded survives kill -9, PostgreSQL (fsync on) the machine',
  algorithm: 'named in each line: RS256 with keys of 3,072 bits, ES256',
  run,
};

async function run(settings: Settings): Promise<RowResult> {
  const { lines, notes } = await onEachStorage(async (storage) => {
    const found: Line[] = [];
    for (const algorithm of ['RS256', 'ES256'] as const) {
      found.push(...(await withDirectory((directory) => fannedOut(storage, algorithm, directory, settings))));
      settings.progress(`${storage.name}, ${algorithm}`);
    }
    return found;
  });
  return {
    lines,
    notes: [
      ...notes,
      'The yardstick signs a SET of its own for each and posts it, as many at a time as the hub.',
    ],
  };
}

function fannedOut(
  storage: Storage,
  algorithm: SigningAlgorithm,
  directory: string,
  { quick }: Settings,
): Promise<readonly Line[]> {
  const streams = quick ? 100 : 1_000;
  return withTransmitting(
    { storage, dataDir: join(directory, 'hub'), algorithm, streams },
    async ({ ours, bare, settled }) => {
      const first: number[] = [];
      const firstOfBare: number[] = [];
      const last = await inTurns(quick ? 2 : 5, {
        async ours() {
          const heard = await ours.kill();
          await settled();
          first.push(Math.min(...heard));
          return Math.max(...heard);
        },
        async bare() {
          const heard = await bare.kill();
          firstOfBare.push(Math.min(...heard));
          return Math.max(...heard);
        },
      });
      const what = `${streams.toLocaleString('en')} streams, ${algorithm}, ${storage.name}`;
      const name = 'sign and POST each';
      const rates = (times: readonly number[]) => times.map((ms) => (streams * 1_000) / ms);
      return [
        {
          what,
          figure: 'first has it',
          unit: 'ms',
          ours: first.slice(1),
          baseline: { name, values: firstOfBare.slice(1) },
        },
        { what, figure: 'last has it', unit: 'ms', ours: last.ours, baseline: { name, values: last.bare } },
        {
          what,
          figure: 'SETs',
          unit: '/s',
          ours: rates(last.ours),
          baseline: { name, values: rates(last.bare) },
        },
      ];
    },
  );
}

import { join } from 'node:path';
import { Pool } from 'undici';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { issuer } from '../entries.ts';
import { aKill, type Hub, startHub, withDirectory } from '../hub.ts';
import { inTurns } from '../measure.ts';
import { startHelper } from '../processes.ts';
import { embedded, type Storage, withPostgres } from '../storages.ts';

const concurrencies = [1, 16, 256];
const budgets = { embedded: 2_000, PostgreSQL: 5_000 } as const;

export const durableSignals: Row = {
  name: 'durable-signals',
  title: 'signals posted, decided, committed and answered 202, over HTTP',
  durability: 'named in each line: embedded survives kill -9, PostgreSQL (fsync on) the machine',
  algorithm: 'group commit',
  run,
};

async function run(settings: Settings): Promise<RowResult> {
  const lines = await onStorage(embedded, settings);
  const onServer = await withPostgres(async (newStorage) =>
    onStorage(await newStorage(), settings, await newStorage()),
  );
  if (onServer === undefined)
    return { lines, notes: ['PostgreSQL was not measured: its programs are not here.'] };
  return { lines: [...lines, ...onServer] };
}

/** `forBare` is another database on the same server; embedded, it is another directory. */
function onStorage(
  storage: Storage,
  settings: Settings,
  forBare: Storage = storage,
): Promise<readonly Line[]> {
  const { quick, progress } = settings;
  return withDirectory(async (directory) => {
    const hub = await startHub(storage, join(directory, 'hub'));
    const bare = startHelper('bare-commits');
    try {
      await bare.ask('open', { dataDir: join(directory, 'bare'), databaseUrl: forBare.databaseUrl });
      const lines: Line[] = [];
      for (const concurrency of concurrencies) {
        const forMs = quick ? 500 : 2_000;
        const work = { concurrency, forMs, body: JSON.stringify(aKill(issuer, 'agent-000000')) };
        const values = await inTurns(quick ? 2 : 5, {
          ours: () => postSignals(hub, concurrency, forMs),
          bare: () => bare.ask<number>('run', work),
        });
        lines.push(lineOf(storage, concurrency, values));
        progress(`${storage.name}, ${concurrency} at a time`);
      }
      await bare.ask('close');
      return lines;
    } finally {
      await Promise.all([hub.end(), bare.end()]);
    }
  });
}

let posted = 0;

/** Each about another client, so that each puts an entry of its own. Answers how many per second were answered. */
async function postSignals(hub: Hub, concurrency: number, forMs: number): Promise<number> {
  const pool = new Pool(hub.url, { connections: concurrency, pipelining: 1 });
  const headers = { authorization: `Bearer ${hub.sourceToken}`, 'content-type': 'application/json' };
  const startedMs = performance.now();
  let done = 0;
  const one = async () => {
    while (performance.now() - startedMs < forMs) {
      posted += 1;
      const body = JSON.stringify(aKill(issuer, `agent-${posted}`));
      const answer = await pool.request({ method: 'POST', path: '/v1/signals', headers, body });
      const text = await answer.body.text();
      if (answer.statusCode !== 202 || !text.includes('"outcome":"applied"')) {
        throw new Error(`a signal was answered ${answer.statusCode}: ${text}`);
      }
      done += 1;
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, one));
    return (done * 1_000) / (performance.now() - startedMs);
  } finally {
    await pool.destroy();
  }
}

function lineOf(
  { name }: Storage,
  concurrency: number,
  values: { readonly ours: readonly number[]; readonly bare: readonly number[] },
): Line {
  const target = name === 'embedded' ? budgets.embedded : budgets.PostgreSQL;
  return {
    what: `${name}, ${concurrency} at a time`,
    figure: 'signals',
    unit: '/s',
    ours: values.ours,
    baseline: { name: 'INSERT, a transaction each', values: values.bare },
    ...(concurrency === Math.max(...concurrencies) && {
      budget: { text: `≥ ${target}/s`, holds: (_ratio: number, ours: number) => ours >= target },
    }),
  };
}

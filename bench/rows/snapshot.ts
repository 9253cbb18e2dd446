import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { issuer } from '../entries.ts';
import { aKill, type Hub, startHub, withDirectory } from '../hub.ts';
import { inTurns } from '../measure.ts';
import { type Helper, startHelper } from '../processes.ts';
import { seed } from '../seed.ts';
import { embedded, type Storage, withPostgres } from '../storages.ts';

const jobs = 2_000;
const budgetMs = 4_000;
/** As long as nothing is asked of the hub, to see how still it stands by itself. */
const idleMs = 4_000;
const point = 'bench';

export const snapshot: Row = {
  name: 'snapshot',
  title: `a whole set taken from the hub and put in force by the library, while ${jobs.toLocaleString('en')} jobs wait`,
  durability: 'PostgreSQL (fsync on), or process where its programs are not here: the notes say which',
  algorithm:
    'rows of the cache (yardstick: NDJSON) over HTTP/1.1, not compressed on loopback; digest: sums of SHA-256',
  run,
};

async function run(settings: Settings): Promise<RowResult> {
  const onServer = await withPostgres(async (newStorage) => onStorage(await newStorage(), settings));
  return onServer ?? onStorage(embedded, settings);
}

function onStorage(storage: Storage, settings: Settings): Promise<RowResult> {
  const entries = settings.quick ? 50_000 : 1_000_000;
  return withDirectory(async (directory) => {
    const dataDir = join(directory, 'hub');
    await (await startHub(storage, dataDir)).end();
    await seed(storage, dataDir, { entries, jobs }, settings.progress);
    const hub = await startHub(storage, dataDir);
    const heartbeats = startHelper('heartbeats');
    try {
      const token = await hub.addPoint(point);
      await heartbeats.ask('open', { url: `${hub.url}/v1/feed`, token, point });
      settings.progress('the hub has it in memory');
      const lines = await measure({ hub, token, heartbeats, entries }, settings.quick ? 2 : 3);
      return { lines, notes: [`The hub ran on: ${storage.durability}.`] };
    } finally {
      await Promise.all([hub.end(), heartbeats.end()]);
    }
  });
}

type Scene = {
  readonly hub: Hub;
  readonly token: string;
  readonly heartbeats: Helper;
  readonly entries: number;
};

async function measure(scene: Scene, rounds: number): Promise<readonly Line[]> {
  const serving = { stalls: [] as number[], gaps: [] as number[] };
  const idle = { stalls: [] as number[], gaps: [] as number[] };
  const times = await inTurns(rounds, {
    ours: () => watched(scene, serving, () => loadByLibrary(scene)),
    bare: () => loadBare(scene),
    async idle() {
      await watched(scene, idle, () => delay(idleMs));
      return 0;
    },
  });
  const what = `${scene.entries.toLocaleString('en')} entries`;
  const afterWarmUp = (values: readonly number[]) => values.slice(1);
  const besideIdle = (figure: string, of: 'stalls' | 'gaps'): Line => ({
    what: `${what}, while served`,
    figure,
    unit: 'ms',
    ours: afterWarmUp(serving[of]),
    baseline: { name: 'the hub at rest', values: afterWarmUp(idle[of]) },
  });
  return [
    {
      what,
      figure: 'taken and in force',
      unit: 'ms',
      ours: times.ours,
      baseline: { name: 'JSON.parse into a Map', values: times.bare },
      ...(scene.entries >= 1_000_000 && {
        budget: { text: '≤ 4 s', holds: (_ratio: number, ms: number) => ms <= budgetMs },
      }),
    },
    besideIdle('longest stall of the hub', 'stalls'),
    besideIdle('longest heartbeat gap', 'gaps'),
  ];
}

async function watched<Outcome>(
  { hub, heartbeats }: Scene,
  into: { readonly stalls: number[]; readonly gaps: number[] },
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  await Promise.all([hub.probe('watch'), heartbeats.ask('watch')]);
  const outcome = await work();
  into.stalls.push(await hub.probe<number>('longestMs'));
  into.gaps.push(await heartbeats.ask<number>('longestMs'));
  return outcome;
}

/** By a process that starts with nothing, of a position that nobody has asked for. */
async function loadByLibrary({ hub, token, entries }: Scene): Promise<number> {
  await movePosition(hub);
  const library = startHelper('library-points');
  try {
    const ms = await library.ask<number>('open', { url: hub.url, token, point, count: 1 });
    const [inForce = 0] = await library.ask<readonly number[]>('entries');
    if (inForce <= entries) throw new Error(`only ${inForce} entries are in force`);
    await library.ask('close');
    return ms;
  } finally {
    await library.end();
  }
}

async function loadBare({ hub, token, entries }: Scene): Promise<number> {
  await movePosition(hub);
  const bare = startHelper('bare-snapshot');
  try {
    const ms = await bare.ask<number>('load', { url: hub.url, token, point });
    if ((await bare.ask<number>('entries')) <= entries) throw new Error('entries are missing');
    return ms;
  } finally {
    await bare.end();
  }
}

let moved = 0;

const movePosition = ({ call }: Hub): Promise<unknown> =>
  call('POST', '/v1/signals', aKill(issuer, `moved-${(moved += 1)}`));

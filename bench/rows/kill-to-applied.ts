import { join } from 'node:path';
import type { Arrived } from '../arrivals.ts';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { issuer } from '../entries.ts';
import { aKill, type Hub, post, startHub, withDirectory } from '../hub.ts';
import { inTurns, machineMicros, percentile, wallMsAt } from '../measure.ts';
import { type Helper, startHelper } from '../processes.ts';
import { embedded } from '../storages.ts';

/** Instances of the library among the points; the others only read and parse. */
const libraryCount = 3;
const budgetMs = 50;

export const killToApplied: Row = {
  name: 'kill-to-applied',
  title: 'a kill posted until it is in force at every point, one node',
  durability: embedded.durability,
  algorithm: 'server-sent events over HTTP/1.1',
  run,
};

async function run(settings: Settings): Promise<RowResult> {
  const lines: Line[] = [];
  for (const points of settings.quick ? [10, 100] : [10, 100, 1_000]) {
    lines.push(...(await withDirectory((directory) => withPoints(points, directory, settings))));
    settings.progress(`${points} points`);
  }
  return {
    lines,
    notes: [
      'Each time is from the sending of the POST, so it holds HTTP, decision and commit too; the yardstick has neither decision nor commit.',
      'The commit is timed by the whole millisecond that the entry carries.',
      `Of the points ${libraryCount} are instances of the library, where the entry is in force; at the others its JSON is parsed. All readers of one side share one process.`,
    ],
  };
}

/** Both sides have the same readers, and both streams stay open throughout. */
async function withPoints(points: number, directory: string, settings: Settings): Promise<readonly Line[]> {
  const hub = await startHub(embedded, join(directory, 'hub'));
  const helpers = {
    fanOut: startHelper('bare-fan-out'),
    hubPoints: startHelper('light-points'),
    barePoints: startHelper('light-points'),
    library: startHelper('library-points'),
  };
  try {
    const bareUrl = await helpers.fanOut.ask<string>('listen');
    const point = { token: await hub.addPoint('bench'), point: 'bench' };
    await helpers.library.ask('open', { url: hub.url, ...point, count: libraryCount });
    await helpers.hubPoints.ask('open', {
      url: `${hub.url}/v1/feed`,
      ...point,
      count: points - libraryCount,
    });
    await helpers.barePoints.ask('open', { url: bareUrl, ...point, count: points });
    const kill = () => killOnce(hub, helpers);
    await kill();
    const characters = await helpers.hubPoints.ask<number>('frameCharacters');
    const shout = () => shoutOnce(bareUrl, helpers.barePoints, characters);
    return await measure(points, settings, kill, shout);
  } finally {
    await Promise.all([hub.end(), ...Object.values(helpers).map((helper) => helper.end())]);
  }
}

/** In milliseconds, for each point. */
type Latencies = {
  readonly all: readonly number[];
  readonly library: readonly number[];
  readonly sinceCommit: readonly number[];
};

async function measure(
  points: number,
  { quick }: Settings,
  kill: () => Promise<Latencies>,
  shout: () => Promise<readonly number[]>,
): Promise<readonly Line[]> {
  const [rounds, killsPerRound] = quick ? [2, 5] : [7, 20];
  const ours: Latencies[] = [];
  const bare: (readonly number[])[] = [];
  await inTurns(rounds, {
    async ours() {
      const kills: Latencies[] = [];
      for (let number = 0; number < killsPerRound; number += 1) kills.push(await kill());
      ours.push({
        all: kills.flatMap(({ all }) => all),
        library: kills.flatMap(({ library }) => library),
        sinceCommit: kills.flatMap(({ sinceCommit }) => sinceCommit),
      });
      return 0;
    },
    async bare() {
      const all: number[] = [];
      for (let number = 0; number < killsPerRound; number += 1) all.push(...(await shout()));
      bare.push(all);
      return 0;
    },
  });
  // The first of each was the warm-up.
  return linesOf(points, ours.slice(1), bare.slice(1));
}

function linesOf(
  points: number,
  ours: readonly Latencies[],
  bare: readonly (readonly number[])[],
): readonly Line[] {
  const shares = { p50: 0.5, p99: 0.99, max: 1 } as const;
  const bareAt = (share: number) => bare.map((times) => percentile(times, share));
  const what = `${points} points`;
  const name = 'bare node:http fan-out';
  const lines = Object.entries(shares).map(([figure, share]): Line => {
    const baseline = { name, values: bareAt(share) };
    return {
      what,
      figure,
      unit: 'ms',
      ours: ours.map(({ all }) => percentile(all, share)),
      baseline,
      ...(figure === 'p99' && {
        budget: {
          text: '≤ max(50 ms, 2 ×)',
          holds: (ratio: number, ms: number) => ms <= budgetMs || ratio <= 2,
        },
      }),
    };
  });
  const more = (text: string, timesOf: (latencies: Latencies) => readonly number[]): Line => ({
    what: `${what}, ${text}`,
    figure: 'p99',
    unit: 'ms',
    ours: ours.map((latencies) => percentile(timesOf(latencies), 0.99)),
    baseline: { name, values: bareAt(0.99) },
  });
  return [
    ...lines,
    more(`the library's ${libraryCount}`, ({ library }) => library),
    more('from the commit on', ({ sinceCommit }) => sinceCommit),
  ];
}

let killed = 0;

async function killOnce(
  hub: Hub,
  { hubPoints, library }: { readonly hubPoints: Helper; readonly library: Helper },
): Promise<Latencies> {
  const marker = `agent-${String((killed += 1)).padStart(6, '0')}`;
  const startedMicros = machineMicros();
  const [light, own] = await Promise.all([
    hubPoints.ask<Arrived>('arrivals', marker),
    library.ask<Arrived>('arrivals', marker),
    post(`${hub.url}/v1/signals`, JSON.stringify(aKill(issuer, marker)), hub.sourceToken),
  ]);
  const since = (atMicros: number) => (atMicros - startedMicros) / 1_000;
  const all = [...light.atMicros, ...own.atMicros];
  const { committedAtMs = Number.NaN } = light;
  return {
    all: all.map(since),
    library: own.atMicros.map(since),
    sinceCommit: all.map((atMicros) => wallMsAt(atMicros) - committedAtMs),
  };
}

let shouted = 0;

/** A frame exactly as long as the hub's. */
async function shoutOnce(url: string, readers: Helper, characters: number): Promise<readonly number[]> {
  const marker = `shout-${String((shouted += 1)).padStart(6, '0')}`;
  const frameless = 'id: 1\nevent: put\ndata: \n\n'.length;
  const bare = JSON.stringify({ match: { client_id: marker }, filler: '' });
  const filler = 'x'.repeat(Math.max(0, characters - frameless - bare.length));
  const startedMicros = machineMicros();
  const [arrivals] = await Promise.all([
    readers.ask<Arrived>('arrivals', marker),
    post(url, JSON.stringify({ match: { client_id: marker }, filler }), 'none'),
  ]);
  return arrivals.atMicros.map((atMicros) => (atMicros - startedMicros) / 1_000);
}

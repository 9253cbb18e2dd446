import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAgent, type Agent } from './agent.ts';
import { clientNames, type ChargesSettings, type ClientName } from './contract.ts';
import { freePort } from './free-port.ts';
import { connectHub, until, type Hub, type PointState } from './hub.ts';
import { createPlug, type Plug } from './plug.ts';
import type { Child, Processes } from './processes.ts';

/** Everything that runs when the story begins. */
export type Stage = {
  readonly hub: Hub;
  readonly hubProcess: Child;
  readonly hubStartMs: number;
  /** Starts the hub again on the same data and the same port. */
  restartHub(): Promise<Child>;
  readonly login: Child;
  readonly points: Readonly<Record<PointId, Child>>;
  readonly edgePlug: Plug;
  readonly agents: Readonly<Record<ClientName, Agent>>;
  /** A token of the security team's tooling: it may post signals and read what became of them. */
  readonly socToken: string;
  readonly dataDir: string;
};
export const pointIds = ['charges-api/1', 'charges-api/2', 'edge/1'] as const;
export type PointId = (typeof pointIds)[number];

/** Seconds after which a point that hears nothing refuses whom it does not know to be alive. */
export const failClosedAfter = { charges: 30, edge: 8 };
const pointsTimeoutMs = 30_000;

export async function setStage(processes: Processes): Promise<Stage> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const main = fileURLToPath(new URL(`../src/main.${extension}`, import.meta.url));
  const dataDir = await mkdtemp(join(tmpdir(), 'caep-hub-demo-'));
  // After whoever writes into it was killed, which takes a moment.
  process.on('exit', () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const environment = { PORT: String(port), HOST: '127.0.0.1', DATA_DIR: dataDir, LOG_LEVEL: 'warn' };
  const startHub = () => processes.startHub(main, environment, origin);

  const startedAt = performance.now();
  const [login, [hubProcess, hubStartMs]] = await Promise.all([
    processes.start('the login server', `./login.${extension}`, { role: 'login' }),
    startHub().then((child) => [child, performance.now() - startedAt] as const),
  ]);
  const hub = await connectHub(origin, dataDir);
  const agents = await createAgents(login.origin);
  const tokens = await register(hub, login.origin, agents);
  const edgePlug = await createPlug(new URL(origin));
  const startPoint = (point: PointId): Promise<Child> => {
    const isEdge = point === 'edge/1';
    const settings: ChargesSettings = {
      role: 'charges',
      hub: isEdge ? edgePlug.origin : origin,
      token: isEdge ? tokens.edge : tokens.charges,
      point,
      snapshotFile: join(dataDir, `${point.replace('/', '-')}.snapshot`),
      failClosedAfter: isEdge ? failClosedAfter.edge : failClosedAfter.charges,
    };
    return processes.start(point, `./charges-api.${extension}`, settings);
  };
  const [first, second, edge] = await Promise.all(pointIds.map(startPoint));
  if (!first || !second || !edge) throw new Error('three points were started');
  await allPointsInForce(hub);
  return {
    hub,
    hubProcess,
    hubStartMs,
    restartHub: startHub,
    login,
    points: { 'charges-api/1': first, 'charges-api/2': second, 'edge/1': edge },
    edgePlug,
    agents,
    socToken: tokens.soc,
    dataDir,
  };
}

/** Every instance is connected and has confirmed the head of the feed. Answers that head's instances. */
export const allPointsInForce = (hub: Hub): Promise<readonly PointState[]> =>
  until('the points to be in force', pointsTimeoutMs, async () => {
    const { items } = await hub.call<{ items: readonly PointState[] }>('GET', '/v1/points');
    const instances = items.flatMap((point) => point.instances);
    const inForce = instances.filter(({ state, behind }) => state === 'connected' && behind === 0);
    return inForce.length === pointIds.length ? items : undefined;
  });

async function createAgents(issuer: string): Promise<Stage['agents']> {
  const [runner, auditor] = await Promise.all([
    createAgent('build-runner', issuer),
    createAgent('night-auditor', issuer),
  ]);
  const writer = await createAgent('report-writer', issuer, runner);
  return { 'build-runner': runner, 'report-writer': writer, 'night-auditor': auditor };
}

/** What an operator sets up once: the issuer, the agents with their keys, the points, and a token for the SOC. */
async function register(hub: Hub, issuer: string, agents: Stage['agents']) {
  await hub.call('PUT', '/v1/issuers', { url: issuer, max_token_life: 900, skew: 0 });
  for (const name of clientNames) {
    await hub.call('POST', '/v1/agents', {
      name,
      owner: 'the demo',
      identities: [{ iss: issuer, client_id: name }, { jkt: agents[name].jkt }],
      parents: name === 'report-writer' ? ['build-runner'] : [],
    });
  }
  type AddedPoint = { readonly token: { readonly secret: string } };
  const charges = await hub.call<AddedPoint>('POST', '/v1/points', { name: 'charges-api', expect: 2 });
  const edge = await hub.call<AddedPoint>('POST', '/v1/points', { name: 'edge', expect: 1 });
  const soc = await hub.call<{ token: string }>('POST', '/v1/tokens', {
    actor: 'soc',
    scopes: ['signals.write', 'signals.read'],
  });
  return { charges: charges.token.secret, edge: edge.token.secret, soc: soc.token };
}

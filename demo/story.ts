import * as dpop from 'dpop';
import { createAgent, type Agent } from './agent.ts';
import type { Evidence } from './evidence.ts';
import { until, type Enforcement, type SignalAnswer } from './hub.ts';
import { openLive, type LiveResponse } from './live.ts';
import { span, sparkline, type Screen } from './screen.ts';
import { allPointsInForce, failClosedAfter, pointIds, type Stage } from './stage.ts';

/** How long we watch for what must happen within milliseconds. */
const patienceMs = 3_000;

const row = (who: string, request: string, status: number | string, remark = '') =>
  `  ${who.padEnd(16)} ${request.padEnd(19)} ${String(status).padEnd(5)} ${remark}`.trimEnd();

export async function agentsAtWork(stage: Stage, screen: Screen): Promise<LiveResponse> {
  screen.step(1, 'AGENTS AT WORK');
  const { 'build-runner': runner, 'report-writer': writer, 'night-auditor': auditor } = stage.agents;
  const [first, second] = [stage.points['charges-api/1'].origin, stage.points['charges-api/2'].origin];
  const read = await runner.call('GET', `${first}/charges`);
  screen.line(row('build-runner', 'GET  /charges', read.status, `key ${runner.jkt.slice(0, 4)}…`));
  const live = await openLive(runner, `${second}/charges/live`);
  await until('the live response', patienceMs, async () => (live.amounts.length >= 6 ? true : undefined));
  screen.line(row('build-runner', 'GET  /charges/live', live.status, `${sparkline(live.amounts)} … open`));
  const child = await writer.call('GET', `${second}/charges`);
  screen.line(
    row(' └ report-writer', 'GET  /charges', child.status, 'exchanged token, own key, acts for build-runner'),
  );
  const other = await auditor.call('GET', `${first}/charges`);
  screen.line(row('night-auditor', 'GET  /charges', other.status, 'unrelated'));
  screen.seen(
    'every agent works',
    [read, child, other, live].every(({ status }) => status === 200),
  );
  return live;
}

export async function thief(stage: Stage, screen: Screen): Promise<void> {
  screen.step(2, 'A THIEF HAS THE TOKEN', 'key binding stops this');
  const { 'build-runner': runner } = stage.agents;
  const url = `${stage.points['charges-api/1'].origin}/charges`;
  const bare = await runner.call('GET', url, { proof: 'none' });
  screen.line(row('thief', 'GET  /charges', bare.status, 'no proof'));
  const forged = await runner.call('GET', url, { proof: await dpop.generateKeyPair('ES256') });
  const reported = await until('the report of the theft', patienceMs, async () => {
    const { items } = await stage.hub.call<{ items: readonly { detail: { theft?: boolean } }[] }>(
      'GET',
      '/v1/points/reports',
    );
    return items.some(({ detail }) => detail.theft === true) ? true : undefined;
  }).catch(() => false);
  const remark = `proof by another key${reported ? ' → reported as theft' : ''}`;
  screen.line(row('thief', 'GET  /charges', forged.status, remark));
  screen.seen('the thief is refused and reported', bare.status === 401 && forged.status === 401 && reported);
}

export async function hijacked(stage: Stage, screen: Screen): Promise<number> {
  screen.step(3, 'THE AGENT IS HIJACKED', 'key binding cannot stop this');
  const { 'build-runner': runner } = stage.agents;
  const refund = await runner.call('POST', `${stage.points['charges-api/1'].origin}/refunds`);
  screen.line(row('build-runner', 'POST /refunds', refund.status, 'right token, right key, wrong will'));
  const leftMs = runner.secondsLeft() * 1_000;
  screen.line(`${' '.repeat(42)}valid for another ${span(leftMs)}`);
  screen.seen('the hijacked agent is let in', refund.status === 200);
  return leftMs;
}

type Kill = {
  readonly signal: SignalAnswer;
  readonly postedAt: number;
  readonly answeredMs: number;
  readonly refusal: { readonly status: number; readonly atMs: number };
  /** What became of it, read again. */
  readonly enforcement: () => Promise<Enforcement>;
};

export async function oneEvent(
  stage: Stage,
  screen: Screen,
  live: LiveResponse,
): Promise<{ readonly deadMs: number; readonly evidence: Pick<Evidence, 'signal' | 'enforcement'> }> {
  screen.step(4, 'THE SOC POSTS ONE EVENT');
  stage.edgePlug.pull();
  const innocent = keepCalling(
    stage.agents['night-auditor'],
    `${stage.points['charges-api/2'].origin}/charges`,
  );
  const kill = await postEvent(stage, screen);
  await until('the cut', patienceMs, async () => live.cutAtMs).catch(() => undefined);
  await showPoints(kill, screen);
  await showTheDead(stage, screen, kill, live);
  const { count, failed } = await innocent.end();
  const none = failed === 0 && count > 0;
  screen.line(
    row('night-auditor', `${count} requests`, none ? 200 : 'FAIL', none ? 'none failed' : `${failed} failed`),
  );
  screen.seen('the unrelated agent never notices', none);
  const enforcement = await plugBackIn(stage, screen, kill);
  return { deadMs: kill.refusal.atMs - kill.postedAt, evidence: { signal: kill.signal, enforcement } };
}

/** One POST, while the hijacked agent goes on calling as quickly as it can. */
async function postEvent({ hub, agents, points, socToken }: Stage, screen: Screen): Promise<Kill> {
  const event = { event: 'credential-compromise', subject: { agent: 'build-runner' } };
  screen.line(`  $ curl …/v1/signals -d '${JSON.stringify(event)}'`);
  const firstRefusal = refusedAt(agents['build-runner'], `${points['charges-api/1'].origin}/refunds`);
  const postedAt = performance.now();
  const signal = await hub.call<SignalAnswer>('POST', '/v1/signals', event, socToken);
  const answeredMs = performance.now() - postedAt;
  const path = `/v1/signals/${signal.signal_id}/enforcement`;
  const enforcement = () => hub.call<Enforcement>('GET', path, undefined, socToken);
  return { signal, postedAt, answeredMs, refusal: await firstRefusal, enforcement };
}

async function showPoints(kill: Kill, screen: Screen): Promise<void> {
  const state = await until('two points', patienceMs, async () => {
    const enforcement = await kill.enforcement();
    return enforcement.applied === 2 ? enforcement : undefined;
  }).catch(kill.enforcement);
  const { agents, keys, descendants } = kill.signal.blast;
  const hits = [counted(agents, 'agent'), counted(keys, 'key'), counted(descendants, 'descendant')];
  screen.line(`    hits ${hits.join(', ')}`);
  screen.line(`    ${'committed'.padEnd(15)} ${span(kill.answeredMs).padEnd(8)} and answered`);
  for (const { point, instance, state: how, latency_ms: latencyMs } of state.instances) {
    const name = `${point}/${instance}`.padEnd(15);
    screen.line(
      how === 'applied'
        ? `    ${name} ${span(latencyMs ?? 0).padEnd(8)} applied`
        : `    ${name} AWAY     ${how}; fails closed by its own posture after ${failClosedAfter.edge} s without news`,
    );
  }
  screen.seen('both reachable points apply it, the silent one is not counted', isTwoOfThree(state));
}

async function showTheDead(
  { agents, points }: Stage,
  screen: Screen,
  { refusal, postedAt }: Kill,
  live: LiveResponse,
): Promise<void> {
  const after = (atMs: number) => `${span(atMs - postedAt)} after the event`;
  screen.line(row('build-runner', 'POST /refunds', refusal.status, after(refusal.atMs)));
  screen.seen('the hijacked agent is refused', refusal.status === 401);
  const { cutAtMs } = live;
  const cut =
    cutAtMs === undefined ? 'still open' : `${sparkline(live.amounts, 9)} ✂  mid-response, ${after(cutAtMs)}`;
  screen.line(row('build-runner', 'GET  /charges/live', cutAtMs === undefined ? 200 : 'CUT', cut));
  screen.seen('its open response is cut in the middle', cutAtMs !== undefined);
  const child = await agents['report-writer'].call('GET', `${points['charges-api/2'].origin}/charges`);
  screen.line(row(' └ report-writer', 'GET  /charges', child.status, 'other key; dead by lineage'));
  screen.seen('the sub-agent dies with it', child.status === 401);
}

async function plugBackIn(stage: Stage, screen: Screen, kill: Kill): Promise<Enforcement> {
  const pluggedAt = performance.now();
  stage.edgePlug.putBack();
  const whole = await until('edge/1 to catch up', patienceMs, async () => {
    const enforcement = await kill.enforcement();
    return enforcement.state === 'complete' ? enforcement : undefined;
  }).catch(kill.enforcement);
  const caughtUp = whole.state === 'complete';
  const how = caughtUp ? `applied after ${span(performance.now() - pluggedAt)}` : 'not yet applied';
  screen.line(
    `  edge/1 plugged back in … ${how}      ${caughtUp ? 'ENFORCED' : 'NOT ENFORCED'} ${whole.applied}/${whole.expected}`,
  );
  screen.seen('the point that was away catches up', caughtUp);
  return whole;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const isTwoOfThree = (enforcement: Enforcement): boolean =>
  enforcement.state === 'partial' && enforcement.applied === 2 && enforcement.expected === pointIds.length;

export async function hubDies(stage: Stage, screen: Screen): Promise<void> {
  screen.step(5, 'NOW THE HUB DIES', `kill -9 ${stage.hubProcess.pid}`);
  const { agents, points, hub } = stage;
  const origin = points['charges-api/1'].origin;
  const before = await hub.call<{ items: readonly unknown[] }>('GET', '/v1/revocations');
  await stage.hubProcess.kill();
  const dead = await agents['build-runner'].call('POST', `${origin}/refunds`);
  const alive = await agents['night-auditor'].call('GET', `${origin}/charges`);
  const state = (await (await fetch(`${origin}/state`)).json()) as { staleMs: number };
  screen.line(
    `  build-runner ${dead.status} · night-auditor ${alive.status}        points decide alone, knowledge ${span(state.staleMs)} old`,
  );
  const startedAt = performance.now();
  await stage.restartHub();
  const backMs = performance.now() - startedAt;
  await allPointsInForce(hub);
  const after = await hub.call<{ items: readonly unknown[] }>('GET', '/v1/revocations');
  const still = await agents['build-runner'].call('POST', `${origin}/refunds`);
  const lost = before.items.length - after.items.length;
  const { applied } = await headOf(stage);
  screen.line(
    `  hub back in ${span(backMs)}: feed resumed at ${applied}, ${lost} lost, still ${still.status === 401 ? 'dead' : 'ALIVE'}`,
  );
  screen.seen('points decide alone while the hub is gone', dead.status === 401 && alive.status === 200);
  screen.seen('nothing is lost by kill -9', lost === 0 && still.status === 401);
}

async function headOf(stage: Stage): Promise<{ readonly applied: string }> {
  const point = await stage.hub.call<{ instances: readonly { applied: string }[] }>(
    'GET',
    '/v1/points/charges-api',
  );
  return { applied: point.instances[0]?.applied ?? '?' };
}

export async function backToWork(stage: Stage, screen: Screen): Promise<void> {
  screen.step(6, 'BACK TO WORK');
  const origin = stage.points['charges-api/1'].origin;
  const fresh = await createAgent('build-runner', stage.login.origin);
  const works = await fresh.call('GET', `${origin}/charges`);
  const old = await stage.agents['build-runner'].call('GET', `${origin}/charges`);
  screen.line(row('build-runner', 'new key, new token', works.status, `old key ${old.status}`));
  screen.seen('a new key and token work, the old ones stay dead', works.status === 200 && old.status === 401);
}

/** Calls without a pause until the first refusal. */
async function refusedAt(
  agent: Agent,
  url: string,
): Promise<{ readonly status: number; readonly atMs: number }> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const { status } = await agent.call('POST', url);
    const atMs = performance.now();
    if (status !== 200 || atMs > end) return { status, atMs };
  }
}

function keepCalling(agent: Agent, url: string) {
  let count = 0;
  let failed = 0;
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const { status } = await agent.call('GET', url);
      count += 1;
      if (status !== 200) failed += 1;
    }
  })();
  return {
    async end() {
      stopped = true;
      await loop;
      return { count, failed };
    },
  };
}

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { addPoint, joinPoint } from './support/a-point.ts';
import { type AProxy, startProxy } from './support/a-proxy.ts';
import { asCaller, startCli } from './support/run-cli.ts';

let hub: Hub;
let proxy: AProxy;
beforeAll(async () => {
  hub = await startHub();
  proxy = await startProxy(hub.url);
}, 120_000);
afterAll(async () => {
  await proxy?.close();
  await hub?.stop();
}, 60_000);

const kill = async (clientId: string): Promise<string> => {
  const subject = { iss: 'https://login.example', client_id: clientId };
  const { body } = await hub.call('POST', '/v1/signals', { body: { event: 'revocation-ordered', subject } });
  return String(body['signal_id']);
};
/** It follows the feed and has taken its first looks: what comes now is told. */
const settled = async (): Promise<void> => {
  const asked = (path: string): boolean => proxy.sent.some((line) => line.startsWith(`GET ${path}`));
  while (!asked('/v1/feed') || !asked('/v1/signals') || !asked('/v1/points/reports'))
    await new Promise(setImmediate);
};

it('tells signals, entries, receipts and reports as they come, goes on after a broken connection, and Ctrl-C is 0', async () => {
  const point = await joinPoint(hub.url, await addPoint(hub, 'edge', 1), 'edge/one');
  const watch = startCli(['watch', '--json'], asCaller({ url: proxy.url, adminToken: hub.adminToken }));
  await settled();
  const warmUp = setInterval(() => void kill('warm-up'), 300);
  await watch.until('"kind":"entry"');
  await watch.until('"kind":"signal"');
  clearInterval(warmUp);

  const first = await kill('first');
  await watch.until(new RegExp(`"kind":"signal".*${first}`));
  await watch.until(new RegExp(`"kind":"entry".*${first}`));
  await watch.until(new RegExp(`"kind":"enforcement".*${first}.*edge.*applied`));
  await watch.until(new RegExp(`"kind":"enforced".*${first}.*complete`));
  const refusal = { at_ms: 1, code: 'token-revoked', decision_id: 'd', client_id: 'first', count: 2 };
  await point.report({ refusals: [refusal] });
  await watch.until(/"kind":"report".*token-revoked/);

  proxy.cut();
  const second = await kill('second');
  await watch.until(new RegExp(`"kind":"entry".*${second}`));
  await watch.until(new RegExp(`"kind":"signal".*${second}`));
  watch.interrupt();
  const { exitCode, stdout } = await watch.ended;
  expect(exitCode).toBe(0);
  const feeds = proxy.sent.filter((line) => line.startsWith('GET /v1/feed'));
  expect(feeds.length).toBeGreaterThan(1);
  expect(feeds.at(-1)).toMatch(/last-event-id/i);
  const sights = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; entry?: { position: string } });
  const positions = sights.flatMap(({ entry }) =>
    entry === undefined ? [] : [Number(entry.position.split('-')[1])],
  );
  expect(positions).toEqual(positions.map((_, index) => (positions[0] ?? 0) + index));
  await point.leave();
}, 120_000);

it('shows what was killed while a quiet hub was away', async () => {
  const watch = startCli(['watch', '--json'], asCaller({ url: proxy.url, adminToken: hub.adminToken }));
  // By the second one it has read how the feed began.
  for (let heartbeats = 0; heartbeats < 2; heartbeats += 1) await proxy.passed('event: heartbeat');
  proxy.cut('refuse');
  const killed = await kill('in-silence');
  proxy.mend();
  await watch.until(new RegExp(`"kind":"entry".*${killed}`));
  watch.interrupt();
  expect((await watch.ended).exitCode).toBe(0);
}, 60_000);

it('for people it is one aligned line each, no wider than the terminal; what the token may not read is left out', async () => {
  const { body } = await hub.call('POST', '/v1/tokens', {
    body: { actor: 'reader', scopes: ['feed.read', 'signals.read'] },
  });
  const caller = asCaller({ url: hub.url, adminToken: String(body['token']) });
  const watch = startCli(['watch'], { ...caller, atTerminal: true });
  const warmUp = setInterval(() => void kill('a-client-with-quite-a-long-name-for-a-terminal'), 300);
  await watch.until('deny');
  clearInterval(warmUp);
  watch.interrupt();
  const { exitCode, stdout, stderr } = await watch.ended;
  expect(exitCode).toBe(0);
  expect(stderr).toContain('The reports are not shown');
  for (const line of stdout
    .replace(/\p{Cc}\[\d{1,2}m/gu, '')
    .trim()
    .split('\n')) {
    expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}[a-z_]+ +\S/);
    expect(line.length).toBeLessThanOrEqual(80);
  }
}, 120_000);

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { addPoint, joinPoint } from './support/a-point.ts';
import { startProxy } from './support/a-proxy.ts';
import { asCaller, runCli } from './support/run-cli.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
}, 120_000);
afterAll(() => hub?.stop(), 60_000);

const doctor = (token = hub.adminToken) =>
  runCli(['doctor', '--json'], asCaller({ url: hub.url, adminToken: token }));
type Findings = {
  readonly findings: readonly { readonly check: string; readonly state: string; readonly remedy?: string }[];
};
const wrongOf = (stdout: string) =>
  (JSON.parse(stdout) as Findings).findings.filter(({ state }) => state === 'wrong');

it('3 while something is wrong, each with what to do; 0 when nothing is', async () => {
  await hub.call('POST', '/v1/agents', { body: { name: 'payroll', protected: true, identities: [] } });
  await hub.call('PUT', '/v1/issuers', { body: { url: 'https://login.example' } });
  await hub.call('DELETE', '/v1/issuers?url=https%3A%2F%2Flogin.example');
  const identity = { iss: 'https://login.example', client_id: 'payroll' };
  await hub.call('POST', '/v1/agents/payroll/identities', { body: { identity } });
  const { body } = await hub.call('POST', '/v1/agents/payroll/disable', { body: {} });
  const [signal] = body['signals'] as readonly { readonly signal_id: string }[];
  const token = await addPoint(hub, 'edge', 1);
  const ill = await doctor();
  expect(ill.exitCode).toBe(3);
  const wrong = wrongOf(ill.stdout);
  expect(wrong.map(({ check }) => check)).toEqual(['issuers', 'points', 'held']);
  for (const { remedy } of wrong) expect(remedy).toMatch(/\w/);

  const point = await joinPoint(hub.url, token, 'edge/one');
  await hub.call('PUT', '/v1/issuers', { body: { url: 'https://login.example' } });
  await hub.call('POST', `/v1/held/${signal?.signal_id}/discard`);
  const well = await doctor();
  expect(wrongOf(well.stdout)).toEqual([]);
  expect(well.exitCode).toBe(0);
  await point.leave();
}, 60_000);

it('what the token may not read is a note, and a token that is not taken is wrong', async () => {
  const { body } = await hub.call('POST', '/v1/tokens', {
    body: { actor: 'reader', scopes: ['signals.read'] },
  });
  const { findings } = JSON.parse((await doctor(String(body['token']))).stdout) as Findings;
  expect(findings.filter(({ check }) => check === 'audit')).toMatchObject([{ state: 'note' }]);
  const stranger = await doctor('chub_nobody');
  expect(stranger.exitCode).toBe(3);
  expect(wrongOf(stranger.stdout).map(({ check }) => check)).toContain('token');
});

it.each([
  ['HTML', { status: 503, type: 'text/html', body: '<h1>no upstream</h1>' }, 'status 503'],
  ['JSON of its own', { status: 503, body: '{"ready":false}' }, 'status 503'],
  ['null', { status: 200, body: 'null' }, 'status 200'],
  ['no JSON though it says so', { status: 200, body: '<h1>' }, 'not a hub'],
  ['half an answer', { status: 200, body: '{"ready":', length: 500 }, 'No hub answers'],
])('a proxy that answers /readyz with %s is a finding, and the rest is checked', async (_, answer, text) => {
  const proxy = await startProxy(hub.url);
  proxy.answerInstead(/^GET \/readyz/, answer);
  const { exitCode, stdout } = await runCli(
    ['doctor', '--json'],
    asCaller({ url: proxy.url, adminToken: hub.adminToken }),
  );
  await proxy.close();
  expect(exitCode).toBe(3);
  const [ready] = wrongOf(stdout).filter(({ check }) => check === 'ready');
  expect(ready).toMatchObject({ text: expect.stringContaining(text), remedy: expect.stringMatching(/\w/) });
  expect(stdout).toContain('"check": "entries"');
});

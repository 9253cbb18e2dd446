import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { addPoint, joinPoint } from './support/a-point.ts';
import { asCaller, runCli, type Setting } from './support/run-cli.ts';

const iss = 'https://login.example';
let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
  for (const name of ['one', 'two']) {
    await hub.call('PUT', `/v1/sources/${name}`, { body: {} });
    await hub.call('POST', '/v1/tokens', { body: { actor: name, scopes: ['signals.read'] } });
    for (const agent of [name, `protected-${name}`]) {
      const identities = [{ iss, client_id: agent }];
      await hub.call('POST', '/v1/agents', { body: { name: agent, identities, protected: agent !== name } });
      await hub.call('POST', '/v1/signals', { body: { event: 'revocation-ordered', subject: { agent } } });
    }
  }
  const point = await joinPoint(hub.url, await addPoint(hub, 'edge', 1), 'edge/one');
  const refusal = { at_ms: 1, code: 'token-revoked', decision_id: 'd', client_id: 'one', count: 2 };
  for (const count of [1, 2]) await point.report({ refusals: [{ ...refusal, count }] });
  await point.leave();
}, 120_000);
afterAll(() => hub?.stop(), 60_000);

const run = (line: string, setting: Setting = {}) =>
  runCli(line.split(' '), { ...asCaller(hub), ...setting });
type Page = { readonly items: readonly object[]; readonly next_cursor: string | null };

describe('a list that is longer than what is shown', () => {
  it.each([
    'agent list',
    'signal list',
    'revocation list',
    'held list',
    'source list',
    'token list',
    'audit list',
    'point reports',
  ])('`%s` says so, and goes on where it ended', async (line) => {
    const first = await run(`${line} --limit 1`);
    const [, after = ''] = /There are more: add (--after \S+),/.exec(first.stdout) ?? [];
    expect(first).toMatchObject({ exitCode: 0, stderr: '' });
    const [all, one, next] = await Promise.all([
      ...['--limit 1000', '--limit 1', `--limit 1 ${after}`].map(async (options) => {
        const { stdout } = await run(`${line} ${options} --json`);
        return JSON.parse(stdout) as Page;
      }),
    ]);
    expect(after).toContain(one?.next_cursor);
    expect([...(one?.items ?? []), ...(next?.items ?? [])]).toEqual(all?.items.slice(0, 2));
    expect((await run(`${line} --limit 1000`)).stdout).not.toContain('There are more');
  });

  it.each(['0', 'all', '-1'])('--limit %s asks nothing and ends with 2', async (limit) => {
    expect((await run(`source list --limit ${limit}`)).exitCode).toBe(2);
  });
});

describe('times that are not of today', () => {
  it.each(['signal list', 'point reports', 'point show edge'])('`%s` shows with their day', async (line) => {
    const clock = /(?<!\d\d-\d\d )\b\d\d:\d\d:\d\d\.\d{3}\b/;
    expect((await run(line)).stdout).toMatch(clock);
    const inTwoDays = await run(line, { nowMs: () => Date.now() + 2 * 86_400_000 });
    expect(inTwoDays.stdout).not.toMatch(clock);
    expect(inTwoDays.stdout).toContain(`${new Date().toISOString().slice(0, 10)} `);
  });
});

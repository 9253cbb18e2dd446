import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { asCaller, runCli } from './support/run-cli.ts';

let hub: Hub;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'caep-hub-cli-'));
  hub = await startHub();
}, 120_000);
afterAll(async () => {
  await hub?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);
const run = (line: string) => runCli(line.split(' '), asCaller(hub));

it('a stream is created, paused, resumed, verified, shown and deleted', async () => {
  const file = join(directory, 'siem.secret');
  writeFileSync(file, 'Bearer hunter2\n');
  const made = await run(
    `stream create --receiver siem --push https://siem.example/sets --authorization-file ${file} --event session-revoked --inactivity-timeout 2h --json`,
  );
  expect([made.exitCode, made.stderr]).toEqual([0, '']);
  expect(made.stdout).not.toContain('hunter2');
  const stream = JSON.parse(made.stdout) as Record<string, unknown>;
  expect(stream).toMatchObject({
    receiver: 'token:siem',
    delivery: { endpoint_url: 'https://siem.example/sets', authorized: true },
    inactivity_timeout: 7_200,
  });
  const id = String(stream['id']);
  expect((await run(`stream verify ${id}`)).stdout).toContain('on its way');
  expect((await run(`stream pause ${id} --reason maintenance`)).stdout).toContain('what comes is held');
  expect((await run(`stream verify ${id}`)).exitCode).toBe(4);
  const shown = (await run(`stream show ${id}`)).stdout;
  expect(shown).toMatch(/status +paused: maintenance/);
  expect(shown).toMatch(/carries +session-revoked/);
  expect(shown).toMatch(/paused after +2 h/);
  expect((await run(`stream pause ${id} --drop`)).stdout).toContain('disabled');
  expect((await run(`stream resume ${id}`)).stdout).toContain('enabled');
  expect((await run('stream list --receiver siem')).stdout).toContain('to https://siem.example/sets');
  expect((await run('stream list --receiver nobody')).stdout).toBe('No streams.\n');
  expect((await run(`stream delete ${id}`)).exitCode).toBe(0);
  expect((await run(`stream show ${id}`)).exitCode).toBe(4);
});

it('is polled unless it is told to push, and a secret goes with a push only', async () => {
  expect((await run('stream create --receiver siem')).stdout).toMatch(
    /delivery +poll at http.*\/ssf\/poll\/str_/,
  );
  const alone = await run('stream create --receiver siem --authorization-file ./x');
  expect([alone.exitCode, alone.stderr.includes('--push')]).toEqual([2, true]);
  const missing = await run(
    'stream create --receiver siem --push https://a.example --authorization-file ./none',
  );
  expect([missing.exitCode, missing.stderr.includes('cannot be read')]).toEqual([2, true]);
  expect((await run('stream create --help')).stdout).toContain('Examples:');
});

it('what a receiver does not take is listed, counted, sent again, and shown before by a sample', async () => {
  const made = await run('stream create --receiver crm --event session-revoked --json');
  const { id } = JSON.parse(made.stdout) as { id: string };
  expect((await run(`stream sample ${id}`)).stdout).toMatch(/1 events?\.\n.*session-revoked/);
  expect((await run(`stream dead ${id}`)).stdout).toContain('No dead letters');
  expect((await run(`stream replay ${id} --dry-run`)).stdout).toBe('0 SETs would be sent again.\n');
  const wrong = await run(`stream replay ${id} --from yesterday`);
  expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('2026-11-24T12:00:00Z')]);
  expect((await run('stream dead str_none')).exitCode).toBe(4);
});

it('what a stream was sent is listed, filtered, and shown with its claims', async () => {
  const made = await run('stream create --receiver erp --event session-revoked --json');
  const { id } = JSON.parse(made.stdout) as { id: string };
  expect((await run(`stream events ${id}`)).stdout).toContain('No SETs');
  await hub.call('POST', '/v1/agents', {
    body: { name: 'seen', identities: [{ iss: 'https://idp.example', client_id: 'seen' }] },
  });
  const kill = await hub.call('POST', '/v1/signals', {
    body: { event: 'session-revoked', subject: { agent: 'seen' } },
  });
  await run(`stream verify ${id}`);
  const all = await run(`stream events ${id}`);
  expect([all.exitCode, all.stderr]).toEqual([0, '']);
  const [header, newest, oldest, ...more] = all.stdout.trimEnd().split('\n');
  expect(header).toMatch(/^made +event +about +state +attempts +set +answer$/);
  expect(newest).toMatch(/verification +id=str_\S+ +pending +0 +set_/);
  expect(oldest).toMatch(/session-revoked +agent:seen +pending +0 +set_/);
  expect(more).toEqual([]);

  const listed = await run(
    `stream events ${id} --subject agent:seen --event session-revoked --since 2h --json`,
  );
  const { items } = JSON.parse(listed.stdout) as { items: { jti: string }[] };
  expect(items).toMatchObject([{ state: 'pending', signal_id: kill.body['signal_id'] }]);
  const jti = String(items[0]?.jti);
  const shown = await run(`stream events ${id} ${jti}`);
  expect(shown.stdout).toMatch(/about +application.iss=https:\/\/idp.example application.sub=seen/);
  expect(shown.stdout).toMatch(/signed with +not signed yet/);
  expect(JSON.parse(shown.stdout.slice(shown.stdout.indexOf('\n\n')))).toMatchObject({
    jti,
    sub_id: { application: { sub: 'seen' } },
  });
  const asJson = await run(`stream events ${id} ${jti} --json`);
  expect(JSON.parse(asJson.stdout)).toMatchObject({ jti, claims: { jti } });

  expect((await run(`stream events ${id} --state dead`)).stdout).toContain('No SETs');
  expect((await run(`stream events ${id} --limit 1`)).stdout).toContain('There are more: add --after');
  for (const wrong of [
    `stream events ${id} --state lost`,
    `stream events ${id} --since yesterday`,
    `stream events ${id} ${jti} --state dead`,
  ]) {
    expect((await run(wrong)).exitCode, wrong).toBe(2);
  }
  expect((await run(`stream events ${id} set_none`)).exitCode).toBe(4);
  expect((await run('stream events str_none')).exitCode).toBe(4);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { asCaller, runCli } from './support/run-cli.ts';

let hub: Hub;
const folder = mkdtempSync(join(tmpdir(), 'caep-hub-hooks-'));
beforeAll(async () => {
  hub = await startHub();
  await hub.call('PUT', '/v1/issuers', { body: { url: 'https://login.example' } });
}, 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await hub?.stop();
}, 60_000);

const run = (words: readonly string[], stdin = '') =>
  runCli(words, { ...asCaller({ url: hub.url, adminToken: hub.adminToken }), stdin });
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return `@${join(folder, name)}`;
};

it('a hook is added, shown, listed, given a new secret and removed; its secret is printed once', async () => {
  const added = await run(['hook', 'add', 'splunk', '--kind', 'splunk', '--issuer', 'https://login.example']);
  const url = /\/v1\/hooks\/splunk\/[\w-]{43}/.exec(added.stdout)?.[0];
  expect([added.exitCode, typeof url]).toEqual([0, 'string']);
  const shown = await run(['hook', 'show', 'splunk']);
  expect(shown.stdout).toContain('$signal(result');
  expect(shown.stdout).toContain('0 accepted');
  expect(shown.stdout).not.toContain(String(url));
  expect((await run(['hook', 'list'])).stdout).toContain('/v1/hooks/splunk/{secret}');
  const rotated = await run([
    'hook',
    'add',
    'splunk',
    '--kind',
    'splunk',
    '--new-secret',
    '--keep-previous',
    '--json',
  ]);
  expect(JSON.parse(rotated.stdout)).toMatchObject({ secrets: [{}, {}], secret: expect.any(String) });
  expect((await run(['hook', 'remove', 'splunk'])).exitCode).toBe(0);
  expect((await run(['hook', 'show', 'splunk'])).exitCode).toBe(4);
});

it('a secret comes by stdin or a file, and never as an argument', async () => {
  const add = ['hook', 'add', 'pagerduty', '--kind', 'pagerduty', '--secret'];
  expect((await run([...add, 'in-the-list-of-processes'])).exitCode).toBe(2);
  expect((await run([...add, '-'], 'made-by-pagerduty-itself\n')).exitCode).toBe(0);
  expect((await run([...add, file('secret', 'made-by-pagerduty-again\n')])).exitCode).toBe(0);
  expect((await run([...add, '-', '--keep-previous', '--drop-previous'])).exitCode).toBe(2);
});

it('a body is tried out: what it becomes, or why nothing does', async () => {
  await run(['hook', 'add', 'github', '--kind', 'github']);
  const body = file(
    'body.json',
    '{"action": "deleted", "repository": {"html_url": "https://github.com/acme/x"}}',
  );
  const test = ['hook', 'test', 'github', '--body', body];
  const tried = await run([...test, '--header', 'X-GitHub-Event: repository']);
  expect([tried.exitCode, tried.stdout]).toEqual([0, expect.stringContaining('build-untrusted')]);
  expect(tried.stdout).toContain('dry run');
  expect((await run(test)).stdout).toContain('means nothing here');
  const wrong = await run([...test, '--mapping', '{"event": "nonsense", "subject": {"client_id": "x"}}']);
  expect([wrong.exitCode, wrong.stdout]).toEqual([4, expect.stringContaining('unknown-event-type')]);
  const broken = await run([...test, '--mapping', '{"event": ']);
  expect([broken.exitCode, broken.stderr]).toEqual([4, expect.stringContaining('character')]);
  expect((await run([...test, '--header', 'nonsense'])).exitCode).toBe(2);
});

import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { addPoint, type AnInstance, joinPoint } from './support/a-point.ts';
import { type AProxy, startProxy } from './support/a-proxy.ts';
import { asCaller, type Ending, runCli, type Setting } from './support/run-cli.ts';

let hub: Hub;
let proxy: AProxy;
let edge: AnInstance;
let directory: string;
beforeAll(async () => {
  hub = await startHub();
  proxy = await startProxy(hub.url);
  directory = mkdtempSync(join(tmpdir(), 'caep-hub-batch-'));
  await hub.call('POST', '/v1/agents', {
    body: {
      name: 'payroll',
      protected: true,
      identities: [{ iss: 'https://idp.example', client_id: 'payroll' }],
    },
  });
  edge = await joinPoint(hub.url, await addPoint(hub, 'edge', 1), 'edge/1');
}, 120_000);
afterAll(async () => {
  await edge?.leave();
  await proxy?.close();
  await hub?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const run = (words: readonly string[], setting: Setting = {}): Promise<Ending> =>
  runCli(words, { ...asCaller({ url: proxy.url, adminToken: hub.adminToken }), ...setting });
const aSignal = (more: object = {}) => ({
  event: 'session-revoked',
  subject: { iss: 'https://idp.example', client_id: randomUUID() },
  ...more,
});
const ndjson = (...lines: readonly (object | string)[]): string =>
  lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');

describe('caep-hub signal --batch', () => {
  it('says a file of any length in parts, waits for the points, and ends with 0', async () => {
    const file = join(directory, 'alerts.ndjson');
    writeFileSync(file, ndjson(...Array.from({ length: 620 }, () => aSignal())));
    const before = proxy.sent.length;
    const { exitCode, stdout } = await run(['signal', '--batch', file, '--wait', '60s']);
    expect(stdout).toContain('620 lines, 620 applied');
    expect(exitCode).toBe(0);
    const posts = proxy.sent.slice(before).filter((text) => text.startsWith('POST /v1/signals'));
    expect(posts).toHaveLength(2);
  });

  it('names the lines that were refused, held or not resolved, and ends with the gravest', async () => {
    const email = { format: 'email', email: `${randomUUID()}@example.com` };
    const held = aSignal({ subject: { agent: 'payroll' } });
    const unresolved = aSignal({ subject: email });
    const stdin = ndjson('', aSignal(), '{', held, unresolved, { event: 'session-revoked' });
    const all = await run(['signal', '--batch', '-'], { stdin });
    expect(all.exitCode).toBe(4);
    expect(all.stdout).toContain('line 3: malformed-json');
    expect(all.stdout).toMatch(/line 4: held sig_/);
    expect(all.stdout).toMatch(/line 5: unresolved sig_/);
    expect(all.stdout).toContain('/subject is missing');
    expect(all.stdout).toContain('5 lines, 1 applied, 2 refused, 1 held, 1 unresolved');
    expect((await run(['signal', '--batch', '-'], { stdin: ndjson(held, unresolved) })).exitCode).toBe(6);
    expect((await run(['signal', '--batch', '-'], { stdin: ndjson(unresolved) })).exitCode).toBe(3);
  });

  it('changes nothing with --dry-run, and answers NDJSON with --json', async () => {
    const said = aSignal({ id: randomUUID() });
    const dry = await run(['signal', '--batch', '-', '--dry-run', '--json'], { stdin: ndjson(said) });
    expect(dry.exitCode).toBe(0);
    const documents = dry.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(documents).toMatchObject([
      { line: 1, dry_run: true },
      { counts: { applied: 1 }, exit_code: 0 },
    ]);
    expect((await hub.call('POST', '/v1/signals', { body: said })).body).toMatchObject({ duplicate: false });
  });

  it('a lost answer is asked for again: lines without an id are still said once', async () => {
    const said = aSignal();
    proxy.loseAnswers(1);
    const { exitCode, stdout } = await run(['signal', '--batch', '-'], { stdin: ndjson(said) });
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('1 line, 1 known before')]);
    const { body } = await hub.call('GET', '/v1/signals?limit=200');
    const items = body['items'] as readonly { readonly subject: object }[];
    expect(
      items.filter(({ subject }) => JSON.stringify(subject) === JSON.stringify(said.subject)),
    ).toHaveLength(1);
  });

  it('lines that the hub turned away for now are said again, alone', async () => {
    const gone = { line: 1, code: 'storage-unavailable', status: 503 };
    proxy.answerInstead(
      /^POST \/v1\/signals/,
      { status: 200, type: 'application/x-ndjson', body: `${JSON.stringify(gone)}\n` },
      1,
    );
    const { exitCode, stdout } = await run(['signal', '--batch', '-'], { stdin: ndjson(aSignal()) });
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('1 line, 1 applied')]);
  });

  it('an option that a line has by itself, a file that is none, and no line at all are misuse', async () => {
    for (const [words, stdin] of [
      [['signal', 'session-revoked', '--batch', '-'], ndjson(aSignal())],
      [['signal', '--batch', '-', '--reason', 'x'], ndjson(aSignal())],
      [['signal', '--batch', join(directory, 'none')], ''],
      [['signal', '--batch', '-'], '\n'],
    ] as const) {
      expect(await run(words, { stdin })).toMatchObject({ exitCode: 2, stdout: '' });
    }
  });
});

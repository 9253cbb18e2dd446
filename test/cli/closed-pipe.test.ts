import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { hubProgram } from '../support/hub-process.ts';
import { addPoint, joinPoint } from './support/a-point.ts';
import { asCaller } from './support/run-cli.ts';

const root = join(import.meta.dirname, '../..');
let hub: Hub;
let program: string;
beforeAll(async () => {
  [hub, program] = await Promise.all([startHub(), hubProgram()]);
}, 120_000);
afterAll(() => hub?.stop(), 60_000);

const start = (...words: readonly string[]) =>
  spawn(process.execPath, [program, ...words], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...asCaller(hub).env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
/** Its exit code and what it complained of. */
async function ended(child: ChildProcessByStdio<null, Readable, Readable>) {
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, stderr };
}

it.each(['kill --help', 'signal types', 'signal types --json'])(
  'who reads nothing of `%s` hears no complaint',
  async (line) => {
    const child = start(...line.split(' '));
    child.stdout.destroy();
    expect(await ended(child)).toEqual({ exitCode: 0, stderr: '' });
  },
  60_000,
);

it('watch ends when its reader has enough', async () => {
  const child = start('watch', '--json');
  const end = ended(child);
  const subject = { iss: 'https://login.example', client_id: 'seen' };
  const body = { event: 'revocation-ordered', subject };
  const kills = setInterval(() => void hub.call('POST', '/v1/signals', { body }), 200);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  expect(await end).toEqual({ exitCode: 0, stderr: '' });
  clearInterval(kills);
}, 60_000);

it('a kill is done though nobody reads what becomes of it, and does not say that it is enforced', async () => {
  const point = await joinPoint(hub.url, await addPoint(hub, 'edge', 1), 'edge/one');
  point.hush();
  const child = start('kill', 'client_id=unread', 'iss=https://login.example', '--yes', '--wait', '60s');
  child.stdout.destroy();
  expect(await ended(child)).toEqual({ exitCode: 3, stderr: '' });
  const { body } = await hub.call('GET', '/v1/revocations?client_id=unread');
  expect(body['items']).toHaveLength(1);
  await point.leave();
}, 60_000);

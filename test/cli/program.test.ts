import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findConnection, isPrivate } from '../../src/cli/connection.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { cutTo, printable } from '../../src/cli/screen.ts';
import type { Surroundings } from '../../src/cli/surroundings.ts';
import { type Hub, startHub } from '../support/a-hub.ts';
import { asCaller, runCli, startCli } from './support/run-cli.ts';

let hub: Hub;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'caep-hub-cli-'));
  hub = await startHub();
  const body = {
    event: 'revocation-ordered',
    subject: { iss: 'https://login.example', client_id: 'shown' },
    reason: '\u001b]0;owned\u0007\u009b2J\u202ereversed',
  };
  await hub.call('POST', '/v1/signals', { body });
}, 120_000);
afterAll(async () => {
  await hub?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

/** Nobody listens where somebody just did. */
async function aClosedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

const secret = 'chub_thisTokenMustNeverBeShown0123456789';

describe('exit codes of DESIGN §13', () => {
  it('5 when nobody answers: which URL was tried, where it came from, how to start one', async () => {
    const url = await aClosedPort();
    const { exitCode, stderr } = await runCli(['point', 'list', '--hub', url, '--token', secret]);
    expect(exitCode).toBe(5);
    expect(stderr).toContain(`${url} (from --hub): ECONNREFUSED`);
    expect(stderr).toContain('caep-hub serve');
  });

  it('5 when what answers is not a hub, and its redirects are not followed with the token', async () => {
    const seen: string[] = [];
    const stranger = createServer((request, response) => {
      seen.push(request.url ?? '');
      response.writeHead(302, { location: '/elsewhere', 'content-type': 'text/html' }).end('<h1>hello</h1>');
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const { exitCode, stderr } = await runCli(['agent', 'list', '--hub', url, '--token', secret]);
    expect(exitCode).toBe(5);
    expect(stderr).toContain('is not a hub');
    expect(seen).toEqual(['/v1/agents?limit=50']);
    stranger.close();
  });

  it('4 for a token that the hub does not take, 2 when there is none; both say what to do', async () => {
    const wrong = await runCli(['token', 'list', '--hub', hub.url, '--token', secret]);
    expect(wrong.exitCode).toBe(4);
    expect(wrong.stderr).toContain('came from --token');
    const none = await runCli(['token', 'list', '--hub', hub.url]);
    expect(none.exitCode).toBe(2);
    expect(none.stderr).toContain('CAEP_HUB_TOKEN');
  });

  it('serve hands on that another issuer is accepted, and only then', async () => {
    const asked: object[] = [];
    const serve: Surroundings['serve'] = async (options) => {
      asked.push(options);
      return exitCodes.done;
    };
    await runCli(['serve'], { serve });
    await runCli(['serve', '--accept-new-issuer'], { serve });
    expect(asked).toEqual([{}, { acceptNewIssuer: true }]);
  });

  it('1 for a bug, with its trace', async () => {
    const serve = (): Promise<never> => Promise.reject(new TypeError('a planted bug'));
    const { exitCode, stderr } = await runCli(['serve'], { serve });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('TypeError: a planted bug');
    const json = await runCli(['serve', '--json'], { serve });
    expect(json.stdout).toBe('{"problem":{"code":"bug"},"exit_code":1}\n');
    expect(json.stderr).toContain('TypeError: a planted bug');
  });

  it('0 for help, which is there for every command; 2 where a command is missing', async () => {
    const { stdout } = await runCli(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name]) => name ?? '');
    expect(commands).toEqual(
      expect.arrayContaining([
        ...['serve', 'kill', 'undo', 'lift', 'check', 'signal', 'watch', 'doctor', 'agent', 'revocation'],
        ...['point', 'source', 'issuer', 'token', 'key', 'audit', 'held'],
      ]),
    );
    for (const command of commands.filter((name) => name !== 'help' && !stdout.startsWith(name))) {
      expect(await runCli([command, '--help']), command).toMatchObject({ exitCode: 0, stderr: '' });
    }
    expect((await runCli(['agent'])).exitCode).toBe(2);
  });

  it('the help of whatever does something ends with examples of it, and none of them is wrong usage', async () => {
    const walked = await walk([]);
    expect(walked.length).toBeGreaterThan(50);
    const url = await aClosedPort();
    const setting = { ...asCaller({ url, adminToken: secret }), serve: async () => exitCodes.done };
    const tryOut = async (example: string) => {
      // As a shell takes it, up to a pipe.
      const parsed = example.replace(/ \|.*/, '').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g);
      const words = [...parsed].map(([, double, single, bare]) => double ?? single ?? bare ?? '');
      const running = startCli(words, setting);
      running.interrupt();
      expect(await running.ended, example).toMatchObject({
        exitCode: expect.toSatisfy((code) => code !== 2),
      });
    };
    const examples = walked.flatMap(({ words, help }) => {
      const found = [...help.matchAll(/^ {2}\$ caep-hub (.*)$/gm)].map(([, example = '']) => example);
      expect(found.join('\n'), words.join(' ')).toMatch(new RegExp(`(^| )${words.at(-1)}( |$)`, 'm'));
      return found;
    });
    // What reads a file or stdin would need it.
    await Promise.all(examples.filter((example) => !/@|<|\.json|\.secret/.test(example)).map(tryOut));
  }, 120_000);
});

/** Every command that does something, with its help. */
async function walk(words: readonly string[]): Promise<{ words: readonly string[]; help: string }[]> {
  const { stdout: help } = await runCli([...words, '--help']);
  const [list = ''] = help.split('\nCommands:\n')[1]?.split('\n\n') ?? [];
  const names = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
  const others = names.filter((name) => name !== 'help');
  const below = await Promise.all(others.map((name) => walk([...words, name])));
  return [...(others.length === 0 ? [{ words, help }] : []), ...below.flat()];
}

describe('what is told', () => {
  const unknown = 'rev_00000000000000000000000000';

  it('--json answers every list, and every problem, with one document on stdout', async () => {
    const lines = ['agent list', 'revocation list', 'point list', 'source list', 'issuer list', 'token list'];
    lines.push('audit list', 'audit verify', 'held list', 'signal list', 'signal types', 'doctor');
    for (const line of lines) {
      const { stdout, stderr } = await runCli([...line.split(' '), '--json'], asCaller(hub));
      expect(JSON.parse(stdout), line).toBeTypeOf('object');
      expect(stderr, line).toBe('');
    }
    const refused = await runCli(['revocation', 'show', unknown, '--json'], asCaller(hub));
    expect(JSON.parse(refused.stdout)).toMatchObject({ problem: { code: 'not-found' }, exit_code: 4 });
    expect(refused.stdout.trimEnd(), 'one line: it may end what goes on').not.toContain('\n');
    const misspelt = await runCli(['kil', '--json'], asCaller(hub));
    expect(JSON.parse(misspelt.stdout)).toMatchObject({ problem: { code: 'usage' }, exit_code: 2 });
  });

  it('the token is in no output, whatever goes wrong', async () => {
    const endings = await Promise.all([
      runCli(['doctor', '--hub', hub.url, '--token', secret]),
      runCli(['agent', 'list', '--hub', hub.url, '--token', `${secret}\nx`]),
      runCli(['agent', 'list', '--hub', `${hub.url}/${'x'.repeat(9)}`, '--token', secret, '--json']),
      runCli(['watch', '--hub', hub.url, '--token', secret]),
    ]);
    for (const { exitCode, stdout, stderr } of endings) {
      expect(exitCode).toBeGreaterThan(0);
      expect(stdout + stderr).not.toContain(secret);
    }
  });

  it('text of others does not drive the terminal', async () => {
    const { stdout } = await runCli(['signal', 'list'], { ...asCaller(hub), atTerminal: true });
    const id = /sig_\w+/.exec(stdout)?.[0] ?? '';
    const shown = await runCli(['signal', 'show', id], { ...asCaller(hub), atTerminal: true });
    expect(shown.stdout).toContain('\\u{1b}]0;owned\\u{07}\\u{9b}2J\\u{202e}reversed');
    for (const line of shown.stdout.split('\n')) {
      expect(line.replace(/\p{Cc}\[\d{1,2}m/gu, '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
    const json = await runCli(['signal', 'show', id, '--json'], asCaller(hub));
    expect(json.stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(JSON.parse(json.stdout)).toMatchObject({ reason: '\u001b]0;owned\u0007\u009b2J\u202ereversed' });
    expect(printable('a\nb\tc')).toBe('a\\u{0a}b\\u{09}c');
  });

  it('colours are for terminals without NO_COLOR, and lines are cut to their width', async () => {
    const { env } = asCaller(hub);
    const escape = '\u001b[';
    expect((await runCli(['doctor'], { env, atTerminal: true })).stdout).toContain(escape);
    expect((await runCli(['doctor'], { env })).stdout).not.toContain(escape);
    const refused = { env: { ...env, NO_COLOR: '1' }, atTerminal: true };
    expect((await runCli(['doctor'], refused)).stdout).not.toContain(escape);
    expect(cutTo('abcdef', 4)).toBe('abc…');
  });
});

describe('DESIGN §12: which hub, and as whom', () => {
  const places = () => ({ env: {}, homeDirectory: join(directory, 'home'), workingDirectory: directory });
  const saved = { hub: 'https://hub.example/base/', token: 'chub_saved' };
  beforeAll(() => {
    mkdirSync(join(directory, 'home/.config/caep-hub'), { recursive: true });
    mkdirSync(join(directory, 'data'));
    writeFileSync(join(directory, 'home/.config/caep-hub/cli.json'), JSON.stringify(saved));
    writeFileSync(join(directory, 'data/admin-token'), 'chub_admin\n');
  });

  it('flags go before the environment, the environment before files', async () => {
    const env = { CAEP_HUB_URL: 'https://env.example', CAEP_HUB_TOKEN: 'chub_env' };
    const flags = { hub: 'https://flag.example', token: 'chub_flag' };
    expect(await findConnection(flags, { ...places(), env })).toMatchObject({
      url: flags.hub,
      token: flags.token,
    });
    expect(await findConnection({}, { ...places(), env })).toMatchObject({
      url: env.CAEP_HUB_URL,
      token: 'chub_env',
    });
    expect(await findConnection({}, places())).toMatchObject({
      url: 'https://hub.example/base',
      token: 'chub_saved',
    });
    const nowhere = { ...places(), homeDirectory: directory };
    expect(await findConnection({}, nowhere)).toMatchObject({
      url: 'http://127.0.0.1:8080',
      token: 'chub_admin',
    });
  });

  it('a token from a file goes to no other hub than the one it is for', async () => {
    const other = await findConnection({ hub: 'https://evil.example' }, places());
    expect(other.token).toBeUndefined();
    const local = await findConnection({ hub: 'http://localhost:9999' }, places());
    expect(local.token).toBe('chub_admin');
  });

  it('a URL that is none is refused, and one in the clear beyond this machine is warned of', async () => {
    for (const url of [
      'ftp://hub.example',
      'hub',
      'https://me:pass@hub.example',
      'https://hub.example/?a=1',
    ]) {
      await expect(findConnection({ hub: url }, places())).rejects.toMatchObject({ exitCode: 2 });
    }
    expect(isPrivate({ url: 'http://hub.example', urlFrom: '' })).toBe(false);
    expect(isPrivate({ url: 'https://hub.example', urlFrom: '' })).toBe(true);
    expect(isPrivate({ url: 'http://127.0.0.1:1', urlFrom: '' })).toBe(true);
  });
});

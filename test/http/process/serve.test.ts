import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedTemplate } from '../../support/databases.ts';
import { hubProgram } from '../../support/hub-process.ts';

const root = join(import.meta.dirname, '../../..');
let dataDir: string;
let program: string;
beforeAll(async () => {
  program = await hubProgram();
  dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-serve-'));
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

type Served = {
  readonly child: ChildProcess;
  readonly closed: Promise<unknown>;
  stdout: string;
  stderr: string;
};

function serve(environment: Record<string, string>): Served {
  const child = spawn(process.execPath, [program, 'serve'], {
    cwd: root,
    env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: dataDir, ...environment },
  });
  const served: Served = { child, closed: once(child, 'close'), stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (served.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (served.stderr += text));
  return served;
}

/** When it is gone and all that it said has come. */
async function ended({ child, closed }: Served): Promise<number | null> {
  await closed;
  return child.exitCode;
}

async function urlOf(served: Served): Promise<string> {
  for (;;) {
    const url = /listens\s+(http:\S+)/.exec(served.stderr)?.[1];
    if (url !== undefined) return url;
    if (served.child.exitCode !== null) throw new Error(served.stderr);
    await Promise.race([once(served.child.stderr!, 'data'), once(served.child, 'exit')]);
  }
}

describe('caep-hub serve', () => {
  it('says where it listens, guards its secrets, keeps them over restarts, and ends with 0 when told to', async () => {
    const first = serve({});
    const url = await urlOf(first);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const path = join(dataDir, 'admin-token');
    expect(first.stderr).toContain(path);
    const token = readFileSync(path, 'utf8').trim();
    expect(first.stdout + first.stderr).not.toContain(token);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'secrets-key')).mode & 0o777).toBe(0o600);
    for (const line of first.stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');

    const second = serve({});
    expect(await ended(second)).toBe(4);
    expect(second.stderr).toMatch(/is in use by process \d+\.\n {2}\S/);

    first.child.kill('SIGTERM');
    expect(await ended(first)).toBe(0);

    const third = serve({});
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${await urlOf(third)}/v1/tokens`, { headers })).status).toBe(200);
    third.child.kill('SIGKILL');
    await ended(third);
  });

  it('names every bad variable and exits 2', async () => {
    const served = serve({ PORT: 'http', LOG_LEVEL: 'loud' });
    expect(await ended(served)).toBe(2);
    expect(served.stderr).toContain('PORT must be');
    expect(served.stderr).toContain('LOG_LEVEL must be');
    expect(served.stderr).toContain('docs/operations.md');
  });

  it('says what is wrong with the certificate and exits 2', async () => {
    const TLS_CERT_FILE = join(dataDir, 'tls.crt');
    const TLS_KEY_FILE = join(dataDir, 'tls.key');
    const served = serve({ TLS_CERT_FILE, TLS_KEY_FILE });
    expect(await ended(served)).toBe(2);
    expect(served.stderr).toMatch(/TLS_CERT_FILE \(.*tls\.crt\) cannot be read\.\n {2}Give/);
  });

  it('says which port is in use and exits 2', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const served = serve({ PORT: port });
    expect(await ended(served)).toBe(2);
    expect(served.stderr).toContain(`Port ${port} of 127.0.0.1 is in use.\n  Stop the other process`);
    other.close();
  });

  it('a database that cannot be reached is named, without its password, and exits 5', async () => {
    const secret = 'x'.repeat(40);
    const served = serve({
      DATABASE_URL: 'postgres://hub:hunter2@127.0.0.1:1/hub',
      ADMIN_TOKEN: secret,
      SECRETS_KEY: secret,
    });
    expect(await ended(served)).toBe(5);
    expect(served.stderr).toContain('DATABASE_URL');
    expect(served.stderr + served.stdout).not.toContain('hunter2');
  });
}, 60_000);

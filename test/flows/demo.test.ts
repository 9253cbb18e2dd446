import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caep-hub-a-stranger-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('the demo', () => {
  it('tells its whole story on a hub of its own, whatever the shell has for another, and cleans up', async () => {
    const main = join(import.meta.dirname, '../../demo/main.ts');
    const another = {
      DATABASE_URL: 'postgres://another:hub@127.0.0.1:1/production',
      ADMIN_TOKEN: 'the-token-of-another-hub-in-this-shell',
      SECRETS_KEY: 'the-secrets-key-of-another-hub-in-this-shell',
      PUBLIC_URL: 'https://another-hub.example',
    };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), main],
      { cwd: directory, env: { PATH: process.env['PATH'], TMPDIR: directory, ...another } },
    );
    expect(stdout).toMatch(/(\d+) of \1 seen/);
    const left = await readdir(directory);
    expect(left.filter((name) => name.includes('hub'))).toEqual([]);
    const evidence = JSON.parse(await readFile(join(directory, 'demo-evidence.json'), 'utf8')) as object;
    expect(evidence).toMatchObject({ enforcement: { state: 'complete' } });
  }, 180_000);
});

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** A real hub in a process of its own on a free port, where it listens, and what it says to people. */
export async function startHubProcess(environment: Readonly<Record<string, string>>): Promise<{
  readonly child: ChildProcess;
  readonly url: string;
  readonly told: () => string;
}> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'serve'], {
    cwd: root,
    env: { PATH: process.env['PATH'], PORT: '0', LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  for await (const text of child.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    told += String(text);
    const url = /listens\s+(http:\S+)/.exec(told)?.[1];
    if (url === undefined) continue;
    child.stderr.on('data', (more: string) => {
      told += more;
    });
    return { child, url, told: () => told };
  }
  throw new Error(told);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Environment } from '../../src/config.ts';

const root = join(import.meta.dirname, '../..');

/** The program `caep-hub`, built from these sources. */
export async function hubProgram(): Promise<string> {
  const response = await fetch(`${inject('broker')}/program`);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

export type HubProcess = {
  readonly child: ChildProcess;
  readonly url: string;
  /** What it has said to people. */
  told(): string;
  stop(): Promise<void>;
};

/** A real hub in a process of its own, and where it listens. */
export async function startHubProcess(environment: Environment): Promise<HubProcess> {
  const child = spawn(process.execPath, [await hubProgram(), 'serve'], {
    cwd: root,
    env: { PATH: process.env['PATH'], PORT: '0', LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  for await (const text of child.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    told += String(text);
    const url = /listens\s+(https?:\S+)/.exec(told)?.[1];
    if (url === undefined) continue;
    child.stderr.on('data', (more: string) => {
      told += more;
    });
    return {
      child,
      url,
      told: () => told,
      async stop() {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGTERM');
        await once(child, 'exit');
      },
    };
  }
  throw new Error(told);
}

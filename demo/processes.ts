import { fork, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { configVariables } from '../src/config.ts';
import type { Said, Settings } from './contract.ts';

/** On a machine that is busy with something else a start takes ten times as long as on one that is not. */
const startTimeoutMs = 90_000;
const linesKeptMax = 20;
/** Ended before the story was. */
const interruptedCode = 130;
/** What this shell has for another hub, its database above all, is not for ours. An empty variable is an absent one. */
const noOtherHub = Object.fromEntries(configVariables.map(([name]) => [name, '']));

export type Child = {
  readonly pid: number;
  readonly origin: string;
  /** The signal that nobody can catch. Resolves when it is gone. */
  kill(): Promise<void>;
};

/** Starts and ends everything the demo runs; nothing outlives it. */
export function createProcesses() {
  const running = new Set<ChildProcess>();
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL');
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => process.exit(process.exitCode ?? interruptedCode));
  }

  function own(child: ChildProcess, name: string): { readonly lastLines: () => string } {
    const lines: string[] = [];
    running.add(child);
    child.once('exit', () => running.delete(child));
    for (const readable of [child.stdout, child.stderr]) {
      readable?.setEncoding('utf8').on('data', (text: string) => {
        lines.push(...text.split('\n').filter((line) => line !== ''));
        lines.splice(0, lines.length - linesKeptMax);
      });
    }
    return { lastLines: () => `${name} said last:\n${lines.join('\n')}` };
  }

  return {
    /** A module of this folder as a process of its own; `environment` comes on top of ours. */
    async start(name: string, module: string, settings: Settings): Promise<Child> {
      const path = fileURLToPath(new URL(module, import.meta.url));
      const child = fork(path, [JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
      const { lastLines } = own(child, name);
      const said = await within<Said>(startTimeoutMs, lastLines, (resolve, reject) => {
        child.once('message', (message) => resolve(message as Said));
        child.once('exit', () => reject(new Error(lastLines())));
      });
      return { pid: child.pid ?? 0, origin: said.origin, kill: () => killed(child) };
    },

    /** The hub as anyone would run it: `caep-hub serve`, configured by environment. Ready when `/readyz` says so. */
    async startHub(
      main: string,
      environment: Readonly<Record<string, string>>,
      origin: string,
    ): Promise<Child> {
      const child = spawn(process.execPath, [...process.execArgv, main, 'serve'], {
        env: { ...process.env, ...noOtherHub, ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const { lastLines } = own(child, 'the hub');
      await within<void>(startTimeoutMs, lastLines, (resolve, reject) => {
        child.once('exit', () => reject(new Error(lastLines())));
        void untilReady(origin, () => child.exitCode !== null).then(resolve, reject);
      });
      return { pid: child.pid ?? 0, origin, kill: () => killed(child) };
    },
  };
}
export type Processes = ReturnType<typeof createProcesses>;

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
    return undefined;
  });
}

const readyPollMs = 20;

async function untilReady(origin: string, ended: () => boolean): Promise<void> {
  while (!ended()) {
    const answer = await fetch(`${origin}/readyz`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, readyPollMs));
  }
}

function within<T>(
  timeoutMs: number,
  lastLines: () => string,
  start: (resolve: (value: T) => void, reject: (cause: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not ready after ${timeoutMs} ms; ${lastLines()}`)),
      timeoutMs,
    );
    start(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (cause) => {
        clearTimeout(timer);
        reject(cause);
      },
    );
  });
}

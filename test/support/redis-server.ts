import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe } from 'vitest';
import { openRedis, type RedisServer } from '../../src/adapters/redis/connections.ts';
import { freePort } from '../enforcement/guards/free-port.ts';

const START_ATTEMPTS_MAX = 200;
const START_ATTEMPT_EVERY_MS = 25;

/** A throw-away Redis on a loopback port of its own, which it keeps over restarts. It keeps nothing else. */
export type ARedis = {
  readonly url: string;
  /** Starts it, empty. */
  start(): Promise<void>;
  /** SIGKILL, and until it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: connections stand, and nobody answers. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
};

const program = findProgram();

/** Runs a suite with a Redis of its own. Where there is no Redis it says by name what does not run. */
export function withRedis(name: string, suite: (redis: ARedis) => void): void {
  if (program === undefined) {
    process.stderr.write(`NOT RUN: "${name} · Redis": redis-server is not in the PATH\n`);
  }
  describe.skipIf(program === undefined)(`${name} · Redis`, () => {
    let running: ARedis | undefined;
    const redis = (): ARedis => {
      if (running === undefined) throw new Error('Redis is there only while tests run');
      return running;
    };
    beforeAll(async () => {
      running = await prepareRedis(program ?? '');
    });
    afterAll(() => running?.stop());
    suite({
      get url() {
        return redis().url;
      },
      start: () => redis().start(),
      kill: () => redis().kill(),
      freeze: () => redis().freeze(),
      thaw: () => redis().thaw(),
      stop: () => redis().stop(),
    });
  });
}

/** What a node has: connections of its own. */
export function connectTo({ url }: ARedis, identity = 'suite'): Promise<RedisServer> {
  return openRedis({ url, identity, onChange: () => undefined });
}

async function prepareRedis(path: string): Promise<ARedis> {
  const directory = mkdtempSync(join(tmpdir(), 'caep-hub-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const settings = Object.entries({ port, bind: '127.0.0.1', dir: directory, save: '', appendonly: 'no' });
  const command = [path, ...settings.flatMap(([name, value]) => [`--${name}`, String(value)])];
  let running: { readonly shell: ChildProcess; readonly pid: number } | undefined;
  const signal = (name: NodeJS.Signals): void => {
    if (running !== undefined) process.kill(running.pid, name);
  };
  const redis: ARedis = {
    url,
    async start() {
      // The shell outlives us by a moment: its input ends with this process, and then it ends the server.
      const script = '"$@" >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -KILL $! 2>/dev/null; wait';
      const shell = spawn('/bin/sh', ['-c', script, 'sh', ...command], { stdio: ['pipe', 'pipe', 'ignore'] });
      const [told] = (await once(shell.stdout, 'data')) as [Buffer];
      running = { shell, pid: Number(told.toString()) };
      await untilItAnswers(url);
    },
    async kill() {
      if (running === undefined) return;
      const { shell } = running;
      signal('SIGKILL');
      running = undefined;
      shell.stdin?.end();
      await once(shell, 'exit');
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async stop() {
      await redis.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await redis.start();
  return redis;
}

async function untilItAnswers(url: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return;
    } catch (error) {
      if (attempt === START_ATTEMPTS_MAX) throw error;
      await delay(START_ATTEMPT_EVERY_MS);
    } finally {
      client.disconnect();
    }
  }
}

function findProgram(): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  const path = directories.map((directory) => join(directory, 'redis-server')).find((one) => existsSync(one));
  if (path !== undefined) execFileSync(path, ['--version'], { stdio: 'ignore' });
  return path;
}

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Problem } from '../../core/problem.ts';
import { createSocketDirectory } from '../system/socket-directory.ts';
import type { EmbeddedWorkerData } from './embedded-worker.ts';

/** The Postgres that the embedded database is; its files are of no use to another major. */
export const EMBEDDED_POSTGRES_MAJOR = '18';
/** `pg` names the socket in its directory by this number. */
export const EMBEDDED_PORT = 5432;

/** How long a dead database is left alone before it is started again: at first, and after many failures. */
const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 5_000;
/** What Postgres gets for its shutdown checkpoint; without one it recovers at the next start. */
const STOP_GRACE_MS = 5_000;
/** Compiled in `dist/`; next to the sources a loader for them. */
const WORKER_MODULE = new URL(
  import.meta.url.endsWith('.js') ? './embedded-worker.js' : './embedded-worker.dev.mjs',
  import.meta.url,
);

export type Embedded = {
  /** The directory of the Unix socket, as `pg` takes it for a host. */
  readonly socketDirectory: string;
  /** Ends all connections, shuts Postgres down cleanly and removes the socket. */
  readonly close: () => Promise<void>;
};

export type EmbeddedOptions = {
  /** Where the database lives. The caller holds the data directory's lock. */
  readonly directory: string;
  /** A packed empty cluster to begin with, made by `createCluster`; without one the first start takes seconds longer. */
  readonly emptyCluster?: string | undefined;
  /** @see DatabaseOptions */
  readonly patience?: number | undefined;
  /** Postgres panicked, as when the disk is full. It is started again, and recovers, until it succeeds. */
  readonly onError: (error: Error) => void;
};

/**
 * Starts Postgres in a thread of this process, on a private Unix socket, over the files in `directory`.
 *
 * @throws Problem `data-dir-unusable` when another major wrote the files.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { directory, emptyCluster, patience = 1, onError } = options;
  if (existsSync(directory)) await refuseOtherMajor(directory);
  else await beginWith(directory, emptyCluster);
  const socketDirectory = await createSocketDirectory(`${directory}.socket`);
  try {
    const data = { directory, socketPath: socketPath(socketDirectory), patience };
    const closing = new AbortController();
    const supervised = supervise(await startThread(data), data, closing.signal, onError);
    return {
      socketDirectory,
      async close() {
        closing.abort();
        await supervised;
        await rm(socketDirectory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(socketDirectory, { recursive: true, force: true });
    throw error;
  }
}

/** Makes an empty cluster in a directory that does not exist yet. Takes seconds and up to 0.9 GB of memory. */
export async function createCluster(directory: string): Promise<void> {
  const socketDirectory = await createSocketDirectory(`${directory}.socket`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const thread = await startThread({ directory, socketPath: socketPath(socketDirectory), patience: 1 });
    await stopThread(thread);
  } finally {
    await rm(socketDirectory, { recursive: true, force: true });
  }
}

function socketPath(socketDirectory: string): string {
  return join(socketDirectory, `.s.PGSQL.${EMBEDDED_PORT}`);
}

async function refuseOtherMajor(directory: string): Promise<void> {
  const major = (await readFile(join(directory, 'PG_VERSION'), 'utf8')).trim();
  if (major === EMBEDDED_POSTGRES_MAJOR) return;
  const detail = `${directory} was written by Postgres ${major}; this release embeds Postgres ${EMBEDDED_POSTGRES_MAJOR}.`;
  throw new Problem('data-dir-unusable', detail, {
    hint: `Run the caep-hub release that wrote it, or begin anew: mv '${directory}' '${directory}.pg${major}'`,
  });
}

/** The directory appears whole or not at all: a process may die while it unpacks. */
async function beginWith(directory: string, emptyCluster: string | undefined): Promise<void> {
  const partial = `${directory}.partial`;
  await rm(partial, { recursive: true, force: true });
  if (emptyCluster === undefined || !(await unpack(emptyCluster, partial))) {
    await rm(partial, { recursive: true, force: true });
    await createCluster(partial);
  }
  await rename(partial, directory);
}

/** Whether it succeeded: without the archive or without `tar` there is the slow way. */
async function unpack(archive: string, directory: string): Promise<boolean> {
  if (!existsSync(archive)) return false;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    await promisify(execFile)('tar', ['-xzf', archive, '-C', directory]);
    const major = await readFile(join(directory, 'PG_VERSION'), 'utf8');
    return major.trim() === EMBEDDED_POSTGRES_MAJOR;
  } catch {
    return false;
  }
}

type Thread = {
  readonly worker: Worker;
  /** Resolves when the thread is gone, with the error that ended it, if any. */
  readonly ended: Promise<Error | undefined>;
};

/** Until `closing`: starts the thread again whenever it dies, as a postmaster does with its backends. */
async function supervise(
  first: Thread,
  data: EmbeddedWorkerData,
  closing: AbortSignal,
  onError: (error: Error) => void,
): Promise<void> {
  const closed = once(closing, 'abort');
  let thread: Thread | undefined = first;
  for (let wait = RESTART_FIRST_MS; !closing.aborted; ) {
    if (thread !== undefined) {
      const cause = await Promise.race([thread.ended, closed]);
      if (closing.aborted) return stopThread(thread);
      onError(new Error('The embedded database died and is started again', { cause }));
    }
    await delay(wait, undefined, { signal: closing }).catch(() => undefined);
    try {
      if (!closing.aborted) thread = await startThread(data);
      wait = RESTART_FIRST_MS;
    } catch (cause) {
      thread = undefined;
      wait = Math.min(wait * 2, RESTART_MAX_MS);
      onError(new Error('The embedded database does not start', { cause }));
    }
  }
  if (thread !== undefined) await stopThread(thread);
}

async function startThread(workerData: EmbeddedWorkerData): Promise<Thread> {
  const worker = new Worker(WORKER_MODULE, { workerData, execArgv: [] });
  const ended = new Promise<Error | undefined>((resolve) => {
    worker.on('error', resolve);
    worker.on('exit', () => resolve(undefined));
  });
  const ready = new Promise<'ready'>((resolve) => {
    worker.once('message', () => resolve('ready'));
  });
  const first = await Promise.race([ready, ended]);
  if (first === 'ready') return { worker, ended };
  throw first ?? new Error('the thread of the embedded database ended before it was ready');
}

async function stopThread({ worker, ended }: Thread): Promise<void> {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  worker.postMessage('close');
  const inTime = await Promise.race([ended.then(() => true), delay(STOP_GRACE_MS, false, { ref: false })]);
  if (!inTime) await worker.terminate();
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Problem } from '../../core/problem.ts';
import { createSocketDirectory } from '../system/socket-directory.ts';
import type { EmbeddedWorkerData, EmbeddedWorkerMessage } from './embedded-worker.ts';

/** The Postgres that the embedded database is; its files are of no use to another major. */
export const EMBEDDED_POSTGRES_MAJOR = '18';
/** `pg` names the socket in its directory by this number. */
export const EMBEDDED_PORT = 5432;

/** Compiled in `dist/`; next to the sources a loader for them. */
const WORKER_MODULE = new URL(
  import.meta.url.endsWith('.js') ? './embedded-worker.js' : './embedded-worker.dev.mjs',
  import.meta.url,
);

export type Embedded = {
  /** The directory of the Unix socket, as `pg` takes it for a host. */
  readonly socketDirectory: string;
  /** Ends all connections, shuts Postgres down cleanly and removes the socket. */
  close(): Promise<void>;
};

export type EmbeddedOptions = {
  /** Where the database lives. The caller holds the data directory's lock. */
  readonly directory: string;
  /** A packed empty cluster to begin with, made by `createCluster`; without one the first start takes seconds longer. */
  readonly emptyCluster?: string | undefined;
  /** The database failed and will not come back in this process. */
  readonly onFailure: (error: Error) => void;
};

/**
 * Starts Postgres in a thread of this process, on a private Unix socket, over the files in `directory`.
 *
 * @throws Problem `data-dir-unusable` when another major wrote the files.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { directory, emptyCluster, onFailure } = options;
  if (existsSync(directory)) await refuseOtherMajor(directory);
  else await beginWith(directory, emptyCluster);
  const socketDirectory = await createSocketDirectory();
  try {
    const thread = await startThread({ directory, socketPath: socketPath(socketDirectory) }, onFailure);
    return {
      socketDirectory,
      async close() {
        await thread.close();
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
  const socketDirectory = await createSocketDirectory();
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const data = { directory, socketPath: socketPath(socketDirectory) };
    const thread = await startThread(data, () => undefined);
    await thread.close();
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

type Thread = { close(): Promise<void> };

async function startThread(
  workerData: EmbeddedWorkerData,
  onFailure: (error: Error) => void,
): Promise<Thread> {
  const worker = new Worker(WORKER_MODULE, { workerData, execArgv: [] });
  let closing = false;
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  await new Promise<void>((resolve, reject) => {
    let ready = false;
    const fail = (error: Error) => {
      if (!ready) reject(error);
      else if (!closing) onFailure(error);
    };
    worker.on('message', (message: EmbeddedWorkerMessage) => {
      if (message.kind === 'broken') return fail(new Error(message.reason));
      ready = true;
      resolve();
    });
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`the embedded database ended with code ${code}`)));
  });
  return {
    async close() {
      closing = true;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
      worker.postMessage('close');
      await ended;
    },
  };
}

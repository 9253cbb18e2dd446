import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { link, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { Problem } from '../../core/problem.ts';
import { createSocketDirectory } from './socket-directory.ts';

/** How long to wait for the holder to say its process id; it holds the directory whether it answers or not. */
const HOLDER_ANSWER_MS = 500;
/** Every further attempt means that another process claimed or died in between. */
const ATTEMPTS_MAX = 50;

export type DataDirLock = { readonly release: () => Promise<void> };

/**
 * Makes the data directory and holds it for this process, until it is released or the process dies, however it dies.
 *
 * The lock is a listening Unix socket named by a number, `lock/<n>`: whoever listens on the highest number holds the
 * directory. A dead holder's socket refuses connections, and the next process links its own, already listening, at
 * `n + 1`; only one can. The highest file is never removed, so that numbers never come back and a process that was
 * suspended between looking and linking finds itself outnumbered instead of holding a second lock.
 *
 * @throws Problem `data-dir-in-use`, `data-dir-unusable`
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const reach = await createSocketDirectory();
  try {
    const locks = join(resolve(dataDir), 'lock');
    await mkdir(locks, { recursive: true, mode: 0o700 });
    // Bound and reached through a short path: that of the data directory may be too long for a socket.
    const short = join(reach, 'd');
    await symlink(locks, short);
    return await claim(dataDir, locks, short);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('data-dir-unusable', `The data directory ${dataDir} cannot be used: ${String(error)}`, {
      hint: 'Set DATA_DIR to a directory on a local file system that this user may write to.',
      cause: error,
    });
  } finally {
    await rm(reach, { recursive: true, force: true });
  }
}

async function claim(dataDir: string, locks: string, short: string): Promise<DataDirLock> {
  const unnumbered = `new-${randomUUID().slice(0, 13)}`;
  const server = await listen(join(short, unnumbered));
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const highest = Math.max(0, ...(await numbersIn(locks)));
      if (highest > 0) await refuseIfAlive(dataDir, join(short, String(highest)));
      const mine = highest + 1;
      if (!(await linkUnlessTaken(join(locks, unnumbered), join(locks, String(mine))))) continue;
      const numbers = await numbersIn(locks);
      if (Math.max(...numbers) > mine) {
        await rm(join(locks, String(mine)));
        continue;
      }
      await removeLower(locks, numbers, highest);
      return { release: () => close(server) };
    }
    throw new Error('other processes keep claiming it');
  } catch (error) {
    await close(server);
    throw error;
  } finally {
    await rm(join(locks, unnumbered), { force: true });
  }
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(String(process.pid));
  });
  server.listen(path);
  await once(server, 'listening');
  server.unref();
  return server;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}

async function numbersIn(locks: string): Promise<number[]> {
  const names = await readdir(locks);
  return names.filter((name) => /^[1-9][0-9]{0,14}$/.test(name)).map(Number);
}

async function linkUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Leaves the one before ours, so that a directory being read meanwhile always shows one of the two. */
async function removeLower(locks: string, numbers: number[], previous: number): Promise<void> {
  for (const number of numbers) {
    if (number < previous) await rm(join(locks, String(number)), { force: true });
  }
}

async function refuseIfAlive(dataDir: string, path: string): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    if (['ECONNREFUSED', 'ENOENT'].includes(errorCode(error) ?? '')) return;
    if (errorCode(error) !== 'EAGAIN') throw error;
  }
  socket.setTimeout(HOLDER_ANSWER_MS, () => socket.destroy());
  let pid = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    pid += text;
  });
  socket.on('error', () => socket.destroy());
  if (!socket.destroyed) await once(socket, 'close').catch(() => undefined);
  const holder = /^[0-9]{1,10}$/.test(pid) ? `process ${pid}` : 'another process';
  throw new Problem('data-dir-in-use', `The data directory ${dataDir} is in use by ${holder}.`, {
    hint: 'Stop that process, or give this one a DATA_DIR of its own; several nodes need DATABASE_URL.',
  });
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

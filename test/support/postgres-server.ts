import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

const DEBIAN_DIRECTORY = '/usr/lib/postgresql';
const START_ATTEMPTS_MAX = 300;
const START_ATTEMPT_EVERY_MS = 50;
const SUPERUSER = 'hub';

export type PostgresServer = {
  /** The URL of one of its databases; a Unix socket that only this run knows. */
  readonly url: (database: string) => string;
  readonly stop: () => Promise<void>;
};

/** The directory with `initdb` and `postgres`: in the PATH, else the newest that Debian installed. */
export function findPostgresPrograms(): string | undefined {
  const debian = existsSync(DEBIAN_DIRECTORY) ? readdirSync(DEBIAN_DIRECTORY) : [];
  const newestFirst = debian.sort((a, b) => Number(b) - Number(a));
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...newestFirst.map((version) => join(DEBIAN_DIRECTORY, version, 'bin')),
  ];
  return directories.find(
    (directory) =>
      directory !== '' && existsSync(join(directory, 'initdb')) && existsSync(join(directory, 'postgres')),
  );
}

/** A throw-away PostgreSQL, without fsync unless it is asked for. It ends when stopped and when this process dies, however it dies. */
export async function startPostgresServer(
  programs: string,
  { fsync = false }: { readonly fsync?: boolean } = {},
): Promise<PostgresServer> {
  const owner = unprivilegedUser();
  const directory = mkdtempSync('/tmp/caep-hub-pg-');
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  const initdb = ['-D', data, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(programs, 'initdb'), initdb, { ...owner, cwd: directory, stdio: 'pipe' });
  const settings = [
    ...(fsync ? [] : ['fsync=off', 'full_page_writes=off']),
    ...['listen_addresses=', 'max_connections=200'],
  ];
  const command = [
    join(programs, 'postgres'),
    ...['-D', data, '-k', directory],
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  // The shell outlives us by a moment: its input ends with this process, and then it stops the server.
  const script = '"$@" >/dev/null 2>&1 & cat; kill -INT $!; wait $!; rm -rf "$0"';
  const shell = spawn('/bin/sh', ['-c', script, directory, ...command], {
    ...owner,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(shell, 'exit');
  const url = (database: string) => `postgresql:///${database}?host=${directory}&user=${SUPERUSER}`;
  await untilItAnswers(url('postgres'));
  return {
    url,
    async stop() {
      shell.stdin.end();
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Postgres refuses to run as root. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = ['-u', '-g'].map((flag) =>
        Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] })),
      );
      if (uid !== undefined && gid !== undefined) return { uid, gid };
    } catch {
      continue;
    }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}

async function untilItAnswers(url: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (attempt === START_ATTEMPTS_MAX) throw error;
      await delay(START_ATTEMPT_EVERY_MS);
    }
  }
}

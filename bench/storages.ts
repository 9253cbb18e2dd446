import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { Line } from './contract.ts';
import { findPostgresPrograms, startPostgresServer } from '../test/support/postgres-server.ts';

/** Where a hub keeps what it is told. */
export type Storage = {
  readonly name: string;
  readonly durability: string;
  /** A new, empty database; absent: the embedded one, in the hub's data directory. */
  readonly databaseUrl?: string;
  /** What a hub on it is started with, each time the same. */
  readonly environment?: {
    readonly DATABASE_URL: string;
    readonly ADMIN_TOKEN: string;
    readonly SECRETS_KEY: string;
  };
};

export const embedded: Storage = {
  name: 'embedded',
  durability: 'process (PGlite: survives kill -9, no fsync)',
};

/** Starts a PostgreSQL with fsync for as long as `work` runs, if its programs are here. */
export async function withPostgres<Outcome>(
  work: (newStorage: () => Promise<Storage>) => Promise<Outcome>,
): Promise<Outcome | undefined> {
  const programs = findPostgresPrograms();
  if (programs === undefined) return undefined;
  const server = await startPostgresServer(programs, { fsync: true });
  try {
    return await work(async () => {
      const name = `bench_${randomBytes(6).toString('hex')}`;
      const client = new Client({ connectionString: server.url('postgres') });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      const databaseUrl = server.url(name);
      return {
        name: 'PostgreSQL',
        durability: 'PostgreSQL, fsync on',
        databaseUrl,
        environment: {
          DATABASE_URL: databaseUrl,
          ADMIN_TOKEN: randomBytes(32).toString('base64url'),
          SECRETS_KEY: randomBytes(48).toString('base64url'),
        },
      };
    });
  } finally {
    await server.stop();
  }
}

/** The lines of each storage that there is here. */
export async function onEachStorage(
  work: (storage: Storage) => Promise<readonly Line[]>,
): Promise<{ readonly lines: readonly Line[]; readonly notes: readonly string[] }> {
  const lines = await work(embedded);
  const onServer = await withPostgres(async (newStorage) => work(await newStorage()));
  if (onServer === undefined)
    return { lines, notes: ['PostgreSQL was not measured: its programs are not here.'] };
  return { lines: [...lines, ...onServer], notes: [] };
}

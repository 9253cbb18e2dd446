import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PoolClient } from 'pg';
import { Problem } from '../../core/problem.ts';
import type { Database } from './database.ts';

/** Identifies our migrations among advisory locks: "caep". */
const ADVISORY_LOCK = 0x63616570;
/** The longest that a migration, or waiting for another node to migrate, may take. */
const STATEMENT_TIMEOUT_MS = 120_000;
/** `0001_what_it_does.sql`; they run in the order of their names. */
const FILE_NAME = /^[0-9]{4}_[a-z0-9_]+\.sql$/;

type Migration = { readonly name: string; readonly sql: string; readonly sha256: string };
type Applied = { readonly name: string; readonly sha256: string };

/**
 * Brings the schema `hub` up to date with the SQL files in `directory`, all in one transaction: all of them or none.
 * Nodes that start together wait for the first. Unqualified names in the files mean `hub`.
 *
 * @returns the names that were applied now.
 * @throws Problem `migration-refused` when the database and the files do not tell the same history.
 */
export async function migrate(database: Database, directory: string): Promise<readonly string[]> {
  const files = await readMigrations(directory);
  const pool = database.openPool({ connectionsMax: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  try {
    const client = await pool.connect();
    try {
      return await migrateIn(client, files);
    } finally {
      client.release(true);
    }
  } finally {
    await pool.end();
  }
}

async function migrateIn(client: PoolClient, files: readonly Migration[]): Promise<string[]> {
  await client.query('BEGIN');
  await client.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
  await client.query('CREATE SCHEMA IF NOT EXISTS hub');
  await client.query('SET LOCAL search_path TO hub');
  await client.query(`CREATE TABLE IF NOT EXISTS hub.migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`);
  const { rows } = await client.query<Applied>(
    'SELECT name, sha256 FROM hub.migrations ORDER BY name COLLATE "C"',
  );
  const pending = pendingMigrations(files, rows);
  for (const { name, sql, sha256 } of pending) {
    await client.query(sql).catch((error: unknown) => {
      throw new Error(`migration ${name} failed`, { cause: error });
    });
    await client.query('INSERT INTO hub.migrations (name, sha256) VALUES ($1, $2)', [name, sha256]);
  }
  await client.query('COMMIT');
  return pending.map(({ name }) => name);
}

/** The files behind what was applied, which must be exactly the files before them. */
function pendingMigrations(files: readonly Migration[], applied: readonly Applied[]): readonly Migration[] {
  for (const [index, { name, sha256 }] of applied.entries()) {
    const file = files.find((candidate) => candidate.name === name);
    if (file === undefined) {
      throw refused(
        `The database has migration ${name}, which this release does not know.`,
        'A newer release has used this database: run that one.',
      );
    }
    if (file.sha256 !== sha256) {
      throw refused(
        `Migration ${name} was changed after it had been applied.`,
        'Restore the file as it was released; put changes into a new migration.',
      );
    }
    if (files[index] !== file) {
      throw refused(
        `Migration ${files[index]?.name} is new but sorts before ${name}, which was applied already.`,
        'Give it a number behind all others.',
      );
    }
  }
  return files.slice(applied.length);
}

function refused(detail: string, hint: string): Problem {
  return new Problem('migration-refused', detail, { hint });
}

async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const names = (await readdir(directory)).filter((name) => FILE_NAME.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(directory, name));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { name, sql: bytes.toString('utf8'), sha256 };
    }),
  );
}

import { createPostgresBackend, type PgPool, runMigrations, withBackend } from 'bullmq';
import type { Database } from '../postgres/database.ts';
import type { Scheduler, SchedulerSettings } from './scheduler.ts';
import { concurrency, openSession } from './session.ts';

const SCHEMA = 'bullmq';
const CONNECTIONS_MAX = concurrency + 4;
const STATEMENT_TIMEOUT_MS = 5_000;
const MIGRATION_TIMEOUT_MS = 120_000;

const { Queue, Worker } = withBackend(createPostgresBackend);

/** Makes BullMQ's tables in the schema `bullmq`. Nodes that start together wait for the first. */
export async function migrateScheduler(database: Pick<Database, 'openPool'>): Promise<void> {
  const pool = database.openPool({ connectionsMax: 1, statementTimeoutMs: MIGRATION_TIMEOUT_MS });
  try {
    const client = await pool.connect();
    try {
      await runMigrations(client, SCHEMA);
    } finally {
      client.release(true);
    }
  } finally {
    await pool.end();
  }
}

export async function createPostgresScheduler<Name extends string>(
  settings: SchedulerSettings<Name>,
  database: Pick<Database, 'openPool'>,
): Promise<Scheduler<Name>> {
  await migrateScheduler(database);
  const pool = database.openPool({
    connectionsMax: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    searchPath: SCHEMA,
  });
  // BullMQ takes a pg.Pool; only the overloads of `on` in the two libraries' types do not meet.
  const connection = pool as unknown as PgPool;
  const stop = new AbortController();
  try {
    const session = openSession(
      settings,
      {
        openQueue: (name, options) => new Queue(name, { ...options, connection }),
        openWorker: (name, run, options) => new Worker(name, run, { ...options, connection }),
      },
      stop.signal,
    );
    await session.started;
    return {
      at: session.at,
      async close() {
        stop.abort();
        await session.close(false);
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

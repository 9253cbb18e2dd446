import type { Pool } from 'pg';
import { createPostgresBackend, type PgPool, runMigrations, withBackend } from 'bullmq';
import type { Millis } from '../../core/vocabulary.ts';
import type { Database } from '../postgres/database.ts';

const QUEUE_NAME = 'hub';
const SCHEMA = 'bullmq';
/** Tasks that one node runs at the same time. */
const CONCURRENCY = 4;
/** A node that stops renewing its hold on a job, every half of this, loses the job to another. */
const LOCK_MS = 30_000;
/** How often a node looks for jobs whose holder died. */
const STALLED_LOOK_EVERY_MS = 15_000;
/** How often a job may be taken over from a dead holder before it counts as failed. */
const STALLED_MAX = 3;
/** An idle node looks for jobs at least this often, should a notification be lost. */
const IDLE_LOOK_EVERY_SECONDS = 5;
const ATTEMPTS_MAX = 3;
const RETRY_FIRST_MS = 1_000;
/** What is done is forgotten; what failed is kept for people to look at. */
const KEEP_FAILED = { count: 1_000, age: 24 * 60 * 60 };
const CONNECTIONS_MAX = CONCURRENCY + 4;
const STATEMENT_TIMEOUT_MS = 5_000;
const MIGRATION_TIMEOUT_MS = 120_000;

/** Run at least once, on any node, possibly by two at once: every task looks at the rows and does only what is due. */
export type Task = {
  /** Runs by itself, again and again, on one node at a time. */
  readonly everyMs?: number;
  /** `id` is what `at` was given, or '' when it runs by itself. `stop` fires when the node shuts down. */
  readonly run: (id: string, stop: AbortSignal) => Promise<void>;
};

/**
 * Later and repeated work. It carries ids, never data, and it is a convenience: what must happen is in a row that a
 * repeated task finds too.
 */
export type Scheduler<Name extends string = string> = {
  /** Runs a task for `id` at that time, or at once when it is past. The same again is the same. */
  readonly at: (task: Name, id: string, dueAtMs: Millis) => Promise<void>;
  /** Lets the tasks that run come to their end. The database outlives it. */
  readonly close: () => Promise<void>;
};

export type SchedulerOptions<Name extends string> = {
  readonly database: Pick<Database, 'openPool'>;
  readonly tasks: { readonly [name in Name]: Task };
  readonly nowMs: () => Millis;
  /** A task failed (it is tried again) or the queue lost its connection. */
  readonly onError: (error: Error, task?: string) => void;
};

type JobData = { readonly id: string };

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

/** Starts to run tasks, on BullMQ over the same Postgres as everything else. */
export async function createScheduler<Name extends string>(
  options: SchedulerOptions<Name>,
): Promise<Scheduler<Name>> {
  const { database } = options;
  const tasks = new Map<string, Task>(Object.entries<Task>(options.tasks));
  await migrateScheduler(database);
  const pool = database.openPool({
    connectionsMax: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    searchPath: SCHEMA,
  });
  try {
    return await startScheduler(options, tasks, pool);
  } catch (error) {
    await pool.end();
    throw error;
  }
}

async function startScheduler<Name extends string>(
  { nowMs, onError }: SchedulerOptions<Name>,
  tasks: ReadonlyMap<string, Task>,
  pool: Pool,
): Promise<Scheduler<Name>> {
  // BullMQ takes a pg.Pool; only the overloads of `on` in the two libraries' types do not meet.
  const connection = pool as unknown as PgPool;
  const stop = new AbortController();
  const queue = new Queue<JobData>(QUEUE_NAME, {
    connection,
    defaultJobOptions: {
      attempts: ATTEMPTS_MAX,
      backoff: { type: 'exponential', delay: RETRY_FIRST_MS, jitter: 0.5 },
      removeOnComplete: true,
      removeOnFail: KEEP_FAILED,
    },
  });
  queue.on('error', (error) => onError(error));
  await queue.waitUntilReady();
  await repeat(queue, tasks);
  const worker = new Worker<JobData>(
    QUEUE_NAME,
    async (job) => tasks.get(job.name)?.run(job.data.id, stop.signal),
    {
      connection,
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_LOOK_EVERY_MS,
      maxStalledCount: STALLED_MAX,
      drainDelay: IDLE_LOOK_EVERY_SECONDS,
    },
  );
  worker.on('error', (error) => onError(error));
  worker.on('failed', (job, error) => onError(error, job?.name));
  await worker.waitUntilReady();
  return {
    async at(task, id, dueAtMs) {
      const delay = Math.max(0, dueAtMs - nowMs());
      await queue.add(task, { id }, { jobId: `${task}/${id}/${dueAtMs}`, delay });
    },
    async close() {
      stop.abort();
      await worker.close();
      await queue.close();
      await pool.end();
    },
  };
}

/** The repetitions there are become those of this release: others are of tasks that no longer exist. */
async function repeat(
  queue: InstanceType<typeof Queue<JobData>>,
  tasks: ReadonlyMap<string, Task>,
): Promise<void> {
  for (const { key } of await queue.getJobSchedulers()) {
    if (tasks.get(key)?.everyMs === undefined) await queue.removeJobScheduler(key);
  }
  for (const [name, { everyMs }] of tasks) {
    if (everyMs === undefined) continue;
    await queue.upsertJobScheduler(name, { every: everyMs }, { name, data: { id: '' } });
  }
}

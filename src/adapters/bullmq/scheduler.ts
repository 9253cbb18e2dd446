import type { Millis } from '../../core/vocabulary.ts';
import type { Database } from '../postgres/database.ts';
import type { RedisServer } from '../redis/connections.ts';
import { createPostgresScheduler } from './on-postgres.ts';
import { createRedisScheduler } from './on-redis.ts';

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
  /**
   * Runs a task for `id` at that time, or at once when it is past. The same again is the same. Rejects while the queue is
   * away, and what a Redis held may be gone when it comes back: a repeated task finds the row.
   */
  readonly at: (task: Name, id: string, dueAtMs: Millis) => Promise<void>;
  /** Lets the tasks that run come to their end. The database outlives it. */
  readonly close: () => Promise<void>;
};

/** Where the queue is. */
export type QueuePlace =
  | { readonly database: Pick<Database, 'openPool'>; readonly redis?: undefined }
  | { readonly redis: RedisServer };

export type SchedulerSettings<Name extends string = string> = {
  readonly tasks: { readonly [name in Name]: Task };
  readonly nowMs: () => Millis;
  /** A task failed (it is tried again) or the queue lost its connection. */
  readonly onError: (error: Error, task?: string) => void;
};

/**
 * Starts to run tasks, on BullMQ over Redis, or over the same Postgres as everything else. On Redis it starts whether
 * Redis is there or not, and while it is away each node runs the repeated tasks by itself.
 */
export function createScheduler<Name extends string>(
  options: SchedulerSettings<Name> & QueuePlace,
): Promise<Scheduler<Name>> {
  return options.redis === undefined
    ? createPostgresScheduler(options, options.database)
    : createRedisScheduler(options, options.redis);
}

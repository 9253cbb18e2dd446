import type { JobSchedulerJson, JobsOptions, Processor, QueueOptions, WorkerOptions } from 'bullmq';
import type { Scheduler, SchedulerSettings, Task } from './scheduler.ts';

const QUEUE_NAME = 'hub';
/** Tasks that one node runs at the same time. */
export const concurrency = 4;
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
/** BullMQ tells what it does in a list that nobody here reads. */
const KEEP_EVENTS = 100;
/** A repetition whose next run is overdue by so long has lost it. */
const LOST_AFTER_MS = 60_000;

type JobData = { readonly id: string };
type Listens = {
  on(event: 'error', listener: (error: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
};

/** What is asked of BullMQ's queue, on any backend. */
export type JobQueue = Listens & {
  add(name: string, data: JobData, options: JobsOptions): Promise<unknown>;
  getJobSchedulers(): Promise<readonly JobSchedulerJson[]>;
  removeJobScheduler(key: string): Promise<unknown>;
  upsertJobScheduler(
    key: string,
    repeat: { every: number },
    template: { name: string; data: JobData },
  ): Promise<unknown>;
  close(): Promise<void>;
};
export type JobWorker = Listens & {
  on(event: 'failed', listener: (job: { readonly name: string } | undefined, error: Error) => void): unknown;
  close(force?: boolean): Promise<void>;
};

/** Where the jobs are: BullMQ's classes with their connection. */
export type Backend = {
  readonly openQueue: (name: string, options: Omit<QueueOptions, 'connection' | 'prefix'>) => JobQueue;
  readonly openWorker: (
    name: string,
    run: Processor<JobData>,
    options: Omit<WorkerOptions, 'connection' | 'prefix'>,
  ) => JobWorker;
};

/** A queue and the worker of this node, for as long as their connection stands. */
export type Session<Name extends string> = Pick<Scheduler<Name>, 'at'> & {
  /** Resolves when it runs tasks. */
  readonly started: Promise<void>;
  /** Puts repetitions back that are not there any more. */
  readonly mend: () => Promise<void>;
  /** Lets the tasks that run come to their end; with `force` it waits for nothing. */
  readonly close: (force: boolean) => Promise<void>;
};

/** The same on every backend. */
export function openSession<Name extends string>(
  { tasks, nowMs, onError }: SchedulerSettings<Name>,
  backend: Backend,
  stop: AbortSignal,
): Session<Name> {
  const byName = new Map<string, Task>(Object.entries<Task>(tasks));
  const queue = backend.openQueue(QUEUE_NAME, {
    defaultJobOptions: {
      attempts: ATTEMPTS_MAX,
      backoff: { type: 'exponential', delay: RETRY_FIRST_MS, jitter: 0.5 },
      removeOnComplete: true,
      removeOnFail: KEEP_FAILED,
    },
    streams: { events: { maxLen: KEEP_EVENTS } },
  });
  queue.on('error', (error) => onError(error));
  let worker: JobWorker | undefined;

  function openWorker(): JobWorker {
    const opened = backend.openWorker(
      QUEUE_NAME,
      async (job) => byName.get(job.name)?.run(job.data.id, stop),
      {
        concurrency,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_LOOK_EVERY_MS,
        maxStalledCount: STALLED_MAX,
        drainDelay: IDLE_LOOK_EVERY_SECONDS,
      },
    );
    opened.on('error', (error) => onError(error));
    opened.on('failed', (job, error) => onError(error, job?.name));
    return opened;
  }

  let isClosed = false;
  async function start(): Promise<void> {
    await queue.waitUntilReady();
    await repeat(queue, byName, () => true);
    if (isClosed) return;
    worker = openWorker();
    await worker.waitUntilReady();
  }

  return {
    started: start(),
    async at(task, id, dueAtMs) {
      const delay = Math.max(0, dueAtMs - nowMs());
      await queue.add(task, { id }, { jobId: `${task}/${id}/${dueAtMs}`, delay });
    },
    mend: () =>
      repeat(queue, byName, (known) => known === undefined || (known.next ?? 0) < nowMs() - LOST_AFTER_MS),
    async close(force) {
      isClosed = true;
      await worker?.close(force);
      await queue.close();
    },
  };
}

/** The repetitions there are become those of this release: others are of tasks that no longer exist. */
async function repeat(
  queue: JobQueue,
  tasks: ReadonlyMap<string, Task>,
  isWanting: (known: JobSchedulerJson | undefined) => boolean,
): Promise<void> {
  const known = await queue.getJobSchedulers();
  for (const { key } of known) {
    if (tasks.get(key)?.everyMs === undefined) await queue.removeJobScheduler(key);
  }
  for (const [name, { everyMs }] of tasks) {
    if (everyMs === undefined || !isWanting(known.find(({ key }) => key === name))) continue;
    await queue.upsertJobScheduler(name, { every: everyMs }, { name, data: { id: '' } });
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { createRedisBackend, withBackend } from 'bullmq';
import { type RedisServer, withoutCommand } from '../redis/connections.ts';
import type { Scheduler, SchedulerSettings, Task } from './scheduler.ts';
import { openSession, type Backend, type Session } from './session.ts';
import { createStandIn } from './stand-in.ts';

/** How often a node looks whether the repetitions are still there: what is in Redis may vanish without a sound. */
const MEND_EVERY_MS = 5_000;
/** After a queue that did not start though Redis is there. */
const START_AGAIN_MS = 2_000;
/** How long the start waits for the first session before it goes on without. */
const START_PATIENCE_MS = 5_000;
/** How long a closing queue is waited for: its answers may have been lost with Redis. */
const CLOSE_GRACE_MS = 2_000;

const { Queue, Worker } = withBackend(createRedisBackend);

/**
 * A session with the queue from when Redis is there until it is away, and the stand-in in between. A new session finds
 * nothing if Redis lost what it held, and puts the repetitions back.
 */
export async function createRedisScheduler<Name extends string>(
  settings: SchedulerSettings<Name>,
  redis: RedisServer,
): Promise<Scheduler<Name>> {
  const { onError } = settings;
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  /** Fires when the first session has started, or did not. */
  const begun = new AbortController();
  let current: Session<Name> | undefined;
  /** Fires when Redis goes away, comes back or is wanted no longer. */
  let turn = new AbortController();

  const noteError: typeof onError = (error, task) => {
    // That it is away is told by whoever watches it.
    if (task !== undefined || !redis.isAway())
      onError(task === undefined ? withoutCommand(error) : error, task);
  };
  const tasks = Object.fromEntries(
    Object.entries<Task>(settings.tasks).map(([name, task]) => [name, tracked(task, running)]),
  ) as { readonly [name in Name]: Task };
  const standIn = createStandIn({
    tasks,
    isWanted: () => current === undefined,
    onError,
    stop: stop.signal,
  });
  const endWatching = redis.onChange(() => turn.abort());

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      turn = new AbortController();
      if (redis.isAway()) await pause(turn.signal);
      else await runSession(turn.signal);
    }
  }

  async function runSession(until: AbortSignal): Promise<void> {
    const blocking = redis.open('blocking');
    const session = openSession(
      { ...settings, tasks, onError: noteError },
      backendOn(redis, blocking.client),
      stop.signal,
    );
    try {
      await beforeTurn(session.started, until);
      if (until.aborted) return;
      current = session;
      begun.abort();
      while (!until.aborted) {
        await pause(until, MEND_EVERY_MS);
        if (!until.aborted) await beforeTurn(session.mend(), until);
      }
    } catch (error) {
      noteError(error instanceof Error ? error : new Error(String(error)));
      current = undefined;
      await pause(until, START_AGAIN_MS);
    } finally {
      current = undefined;
      begun.abort();
      await closeSession(session);
      blocking.close();
    }
  }

  /** The tasks it began come to their end in any case; what it still asks of Redis may not. */
  async function closeSession(session: Session<Name>): Promise<void> {
    const closing = session.close(redis.isAway()).catch(noteError);
    if (stop.signal.aborted) await Promise.all(running);
    await Promise.race([closing, delay(CLOSE_GRACE_MS, undefined, { ref: false })]);
  }

  const ran = run();
  if (!redis.isAway()) await pause(begun.signal, START_PATIENCE_MS);
  return {
    async at(task, id, dueAtMs) {
      if (current === undefined) throw new Error('the queue in Redis is away');
      await current.at(task, id, dueAtMs);
    },
    async close() {
      stop.abort();
      turn.abort();
      endWatching();
      await standIn.close();
      await ran;
    },
  };
}

function backendOn(redis: RedisServer, blocking: ReturnType<RedisServer['open']>['client']): Backend {
  const prefix = redis.namespace;
  return {
    openQueue: (name, options) => new Queue(name, { ...options, prefix, connection: redis.commands }),
    openWorker: (name, work, options) => new Worker(name, work, { ...options, prefix, connection: blocking }),
  };
}

function tracked(task: Task, running: Set<Promise<void>>): Task {
  return {
    ...task,
    async run(id, stop) {
      const work = task.run(id, stop);
      const ended = work.then(
        () => undefined,
        () => undefined,
      );
      running.add(ended);
      void ended.then(() => running.delete(ended));
      await work;
    },
  };
}

/** Until it is done, unless the signal fires before: then it may hang, and what it says does not matter any more. */
async function beforeTurn(work: Promise<void>, until: AbortSignal): Promise<void> {
  work.catch(() => undefined);
  const isDone = new AbortController();
  const turned = pause(AbortSignal.any([until, isDone.signal]));
  try {
    await Promise.race([work, turned]);
  } finally {
    isDone.abort();
  }
}

const pause = (until: AbortSignal, ms = 2 ** 31 - 1): Promise<void> =>
  delay(ms, undefined, { signal: until }).catch(() => undefined);

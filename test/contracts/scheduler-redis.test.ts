import { Redis } from 'ioredis';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { createScheduler, type Scheduler, type Task } from '../../src/adapters/bullmq/scheduler.ts';
import { connectTo, withRedis } from '../support/redis-server.ts';
import { deferred } from '../support/deferred.ts';

const within = { timeout: 20_000, interval: 20 };

withRedis('scheduler', (redis) => {
  type Node = {
    readonly scheduler: Scheduler;
    readonly errors: string[];
    readonly close: () => Promise<void>;
  };

  async function node(tasks: Record<string, Task>, identity?: string): Promise<Node> {
    const server = await connectTo(redis, identity);
    const errors: string[] = [];
    const scheduler = await createScheduler({
      redis: server,
      tasks,
      nowMs: Date.now,
      onError: ({ message }, task) => void errors.push(`${task ?? ''}: ${message}`),
    });
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= scheduler.close().then(server.close));
    onTestFinished(close);
    return { scheduler, errors, close };
  }

  /** Without what the queue says of itself: a job may vanish under its worker. */
  const taskFailures = (errors: readonly string[]) => errors.filter((error) => !error.startsWith(':'));

  /** A repeated task that counts its runs. */
  const counted = () => {
    const task = { runs: 0, everyMs: 100, run: async () => void (task.runs += 1) };
    return task;
  };
  const runsOn = async (task: { readonly runs: number }) => {
    const before = task.runs;
    await vi.waitFor(() => expect(task.runs).toBeGreaterThanOrEqual(before + 3), within);
  };

  afterEach(async () => {
    await redis.kill();
    await redis.start();
  });

  test('repeated tasks run on while Redis is away, and again on the queue when it is back and empty', async () => {
    const sweep = counted();
    const { scheduler, errors } = await node({ sweep, lift: { run: async () => undefined } });
    await runsOn(sweep);
    await redis.kill();
    await runsOn(sweep);
    await expect(scheduler.at('lift', 'x', Date.now())).rejects.toThrow(/away/);
    await redis.start();
    await vi.waitFor(() => scheduler.at('lift', 'x', Date.now()), within);
    await runsOn(sweep);
    expect(taskFailures(errors)).toEqual([]);
    expect(errors.length).toBeLessThan(10);
  });

  test('it starts though Redis is away, and takes up the queue when Redis comes', async () => {
    await redis.kill();
    const sweep = counted();
    const ran = deferred<string>();
    const { scheduler } = await node({ sweep, lift: { run: async (id) => ran.resolve(id) } });
    await runsOn(sweep);
    await redis.start();
    await vi.waitFor(() => scheduler.at('lift', 'rev_1', Date.now()), within);
    expect(await ran.promise).toBe('rev_1');
  });

  test('a Redis that does not answer is away', async () => {
    const sweep = counted();
    const { scheduler } = await node({ sweep, lift: { run: async () => undefined } });
    redis.freeze();
    await expect(scheduler.at('lift', 'x', Date.now() + 1)).rejects.toThrow(/timed out|away/);
    await runsOn(sweep);
    redis.thaw();
    await vi.waitFor(() => scheduler.at('lift', 'x', Date.now()), within);
  });

  test('repetitions that somebody deleted come back', async () => {
    const sweep = counted();
    const { errors } = await node({ sweep });
    await runsOn(sweep);
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    await runsOn(sweep);
    expect(taskFailures(errors)).toEqual([]);
  });

  test('closing while Redis is away waits for the tasks that run, and for nothing else', async () => {
    const started = deferred();
    let ended = false;
    const long: Task = {
      run: (_id, stop) =>
        new Promise((resolve) => {
          started.resolve();
          stop.addEventListener('abort', () => {
            ended = true;
            resolve();
          });
        }),
    };
    const { scheduler, close } = await node({ long });
    await scheduler.at('long', 'x', Date.now());
    await started.promise;
    await redis.kill();
    await close();
    expect(ended).toBe(true);
  });

  test('two nodes share one queue, and another hub at the same Redis has its own', async () => {
    const ids: string[] = [];
    const last = deferred();
    const tasks = {
      lift: { run: async (id: string) => void ids.push(id) },
      last: { run: async () => last.resolve() },
    };
    const wrong = { run: async (id: string) => void ids.push(`another hub's ${id}`) };
    const [here] = [
      await node(tasks),
      await node(tasks),
      await node({ lift: wrong, last: wrong }, 'another hub'),
    ];
    const dueAtMs = Date.now() + 50;
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => here.scheduler.at('lift', id, dueAtMs)));
    await vi.waitUntil(() => ids.length >= 4, within);
    await here.scheduler.at('last', 'x', Date.now());
    await last.promise;
    expect(ids.sort()).toEqual(['a', 'b', 'c', 'd']);
  });
});

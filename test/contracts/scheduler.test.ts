import { expect, onTestFinished, test } from 'vitest';
import { createScheduler, type Task } from '../../src/adapters/bullmq/scheduler.ts';
import { deferred } from '../support/deferred.ts';
import { forEachQueue } from '../support/queues.ts';

const HOUR_MS = 60 * 60 * 1000;

forEachQueue('scheduler', (fixture) => {
  async function scheduler<Name extends string>(tasks: { readonly [name in Name]: Task }) {
    const errors: Error[] = [];
    const running = await createScheduler({
      ...fixture.place,
      tasks,
      nowMs: Date.now,
      onError: (error) => void errors.push(error),
    });
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= running.close());
    onTestFinished(close);
    return { ...running, close, errors };
  }

  test('a task runs for its id at its time, and not before', async () => {
    const ran = deferred<{ id: string; atMs: number }>();
    const { at } = await scheduler({
      lift: { run: async (id) => ran.resolve({ id, atMs: Date.now() }) },
    });
    const dueAtMs = Date.now() + 300;
    await at('lift', 'rev_1', dueAtMs);
    const { id, atMs } = await ran.promise;
    expect(id).toBe('rev_1');
    expect(atMs).toBeGreaterThanOrEqual(dueAtMs);
  });

  test('a task that is overdue runs at once', async () => {
    const ran = deferred<string>();
    const { at } = await scheduler({ lift: { run: async (id) => ran.resolve(id) } });
    await at('lift', 'rev_2', Date.now() - HOUR_MS);
    expect(await ran.promise).toBe('rev_2');
  });

  test('the same task for the same id and time is one', async () => {
    const { at } = await scheduler({ lift: { run: async () => expect.unreachable('too early') } });
    const before = await fixture.jobs();
    const dueAtMs = Date.now() + HOUR_MS;
    await Promise.all([1, 2, 3].map(() => at('lift', 'rev_3', dueAtMs)));
    expect(await fixture.jobs()).toHaveLength(before.length + 1);
    await at('lift', 'rev_3', dueAtMs + 1);
    expect(await fixture.jobs()).toHaveLength(before.length + 2);
  });

  test('a task repeats by itself, and stops when a later release no longer has it', async () => {
    let runs = 0;
    const thrice = deferred();
    const first = await scheduler({
      sweep: {
        everyMs: 100,
        run: async (id) => {
          expect(id).toBe('');
          runs += 1;
          if (runs === 3) thrice.resolve();
        },
      },
    });
    await thrice.promise;
    await first.close();
    const other = deferred();
    let otherRuns = 0;
    const second = await scheduler({
      sweep: { run: async () => other.reject(new Error('still repeats')) },
      other: { everyMs: 100, run: async () => void (++otherRuns === 5 && other.resolve()) },
    });
    await other.promise;
    await second.close();
    const third = await scheduler({});
    await third.close();
  });

  test('what is due later outlives a restart', async () => {
    const early = await scheduler({ lift: { run: async () => expect.unreachable('too early') } });
    await early.at('lift', 'rev_4', Date.now() + 700);
    await early.close();
    await fixture.reopen();
    const ran = deferred<string>();
    await scheduler({ lift: { run: async (id) => ran.resolve(id) } });
    expect(await ran.promise).toBe('rev_4');
  });

  test('a task that fails is reported and tried again', async () => {
    const again = deferred();
    let runs = 0;
    const { at, errors } = await scheduler({
      lift: {
        run: async () => {
          runs += 1;
          if (runs === 1) throw new Error('the first time it fails');
          again.resolve();
        },
      },
    });
    await at('lift', 'rev_5', Date.now());
    await again.promise;
    expect(errors.map(({ message }) => message)).toEqual(['the first time it fails']);
  });

  test('closing tells the tasks that run and waits for them', async () => {
    const started = deferred();
    let ended = false;
    const { at, close } = await scheduler({
      long: {
        run: (_id, stop) =>
          new Promise((resolve) => {
            started.resolve();
            stop.addEventListener('abort', () => {
              ended = true;
              resolve();
            });
          }),
      },
    });
    await at('long', 'x', Date.now());
    await started.promise;
    await close();
    expect(ended).toBe(true);
  });

  test('what is done leaves no job behind', async () => {
    const before = await fixture.jobs();
    const ran = deferred();
    const { at, close } = await scheduler({ lift: { run: async () => ran.resolve() } });
    await at('lift', 'rev_6', Date.now());
    await ran.promise;
    await close();
    expect((await fixture.jobs()).toSorted()).toEqual(before.toSorted());
  });
});

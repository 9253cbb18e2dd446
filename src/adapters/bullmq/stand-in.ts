import type { SchedulerSettings, Task } from './scheduler.ts';

/**
 * Runs the repeated tasks on this node while there is no queue to run them: each as often as it says, and never twice
 * at once. Other nodes do the same meanwhile, which every task bears.
 */
export function createStandIn(options: {
  readonly tasks: Readonly<Record<string, Task>>;
  readonly isWanted: () => boolean;
  readonly onError: SchedulerSettings['onError'];
  readonly stop: AbortSignal;
}): { close(): Promise<void> } {
  const { tasks, isWanted, onError, stop } = options;
  const running = new Map<string, Promise<void>>();

  async function runOne(name: string, { run }: Task): Promise<void> {
    try {
      await run('', stop);
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)), name);
    } finally {
      running.delete(name);
    }
  }

  const timers = Object.entries(tasks).flatMap(([name, task]) =>
    task.everyMs === undefined
      ? []
      : [
          setInterval(() => {
            if (isWanted() && !running.has(name)) running.set(name, runOne(name, task));
          }, task.everyMs),
        ],
  );
  return {
    async close() {
      timers.forEach(clearInterval);
      await Promise.all(running.values());
    },
  };
}

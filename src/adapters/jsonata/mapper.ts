import { mappingMsMax, mappingsWaitingMax, mappingWaitMsMax } from '../../hooks/limits.ts';
import type { Mapper, MappingOutcome } from '../../hooks/ports.ts';
import { type MappingThread, startMappingThread } from './mapping-thread.ts';
import type { MappingQuestion } from './messages.ts';

/** One that loops leaves the other to everybody else. */
const threadsMax = 2;
/** How long somebody waits who sets a mapping: no sender waits with them. */
const checkWaitMs = 8_000;

export type MapperLimits = {
  readonly evaluationMs: number;
  readonly waitMs: number;
  readonly waitingMax: number;
};

type Waiting = {
  readonly question: MappingQuestion;
  readonly settle: (outcome: MappingOutcome) => void;
  readonly timer: NodeJS.Timeout;
};

/**
 * All threads start with the first question, and another one at once for one that was ended. Hooks take turns; one that is
 * being mapped waits for its next turn until it is done.
 */
export function createMapper(given: Partial<MapperLimits> = {}): Mapper & { close(): Promise<void> } {
  const limits = {
    evaluationMs: mappingMsMax,
    waitMs: mappingWaitMsMax,
    waitingMax: mappingsWaitingMax,
    ...given,
  };
  /** Insertion order is the order of turns. */
  const queues = new Map<string, Waiting[]>();
  const atWork = new Set<string>();
  const idle: MappingThread[] = [];
  const threads = new Set<MappingThread>();
  let waiting = 0;
  let closed = false;

  function ask(turn: string, question: MappingQuestion, waitMs: number): Promise<MappingOutcome> {
    if (closed || waiting >= limits.waitingMax) return Promise.resolve({ kind: 'busy' });
    return new Promise((settle) => {
      const queue = queues.get(turn) ?? [];
      const timer = setTimeout(() => {
        remove(turn, entry);
        settle({ kind: 'busy' });
      }, waitMs);
      const entry = { question, settle, timer };
      queue.push(entry);
      queues.set(turn, queue);
      waiting += 1;
      startAll();
      work();
    });
  }

  function remove(turn: string, entry: Waiting): void {
    const queue = queues.get(turn) ?? [];
    const at = queue.indexOf(entry);
    if (at < 0) return;
    queue.splice(at, 1);
    waiting -= 1;
    clearTimeout(entry.timer);
    if (queue.length === 0) queues.delete(turn);
  }

  /** Whoever is next and not at work, for as many threads as are free. */
  function work(): void {
    while (!closed) {
      const turn = [...queues.keys()].find((name) => !atWork.has(name));
      const thread = turn === undefined ? undefined : idle.pop();
      if (turn === undefined || thread === undefined) return;
      void serve(turn, thread);
    }
  }

  function startAll(): void {
    while (!closed && threads.size < threadsMax) void start();
  }

  async function serve(turn: string, thread: MappingThread): Promise<void> {
    const [entry, ...rest] = queues.get(turn) ?? [];
    if (entry === undefined) throw new Error('there is nothing to map');
    atWork.add(turn);
    remove(turn, entry);
    // Behind all others that wait.
    if (queues.delete(turn)) queues.set(turn, rest);
    entry.settle(await thread.ask(entry.question, limits.evaluationMs));
    atWork.delete(turn);
    if (thread.isAlive() && !closed) idle.push(thread);
    else await forget(thread);
    startAll();
    work();
  }

  async function start(): Promise<void> {
    const thread = startMappingThread();
    threads.add(thread);
    if ((await thread.ready) && !closed) idle.push(thread);
    else await forget(thread);
    work();
  }

  async function forget(thread: MappingThread): Promise<void> {
    threads.delete(thread);
    await thread.end();
  }

  return {
    map: ({ hook, ...job }) => ask(`hook ${hook}`, { op: 'map', ...job }, limits.waitMs),
    async check(mapping) {
      startAll();
      await Promise.all([...threads].map(({ ready }) => ready));
      return ask('check', { op: 'check', mapping }, checkWaitMs);
    },
    async close() {
      closed = true;
      for (const [turn, queue] of queues) {
        for (const entry of [...queue]) {
          remove(turn, entry);
          entry.settle({ kind: 'busy' });
        }
      }
      await Promise.all([...threads].map((thread) => thread.end()));
    },
  };
}

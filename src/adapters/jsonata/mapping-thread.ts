import { Worker } from 'node:worker_threads';
import { parseJson } from '../../http/json-body.ts';
import type { MappingFailure, MappingOutcome } from '../../hooks/ports.ts';
import type { Json } from '../../core/vocabulary.ts';
import type { MappingAnswer, MappingQuestion } from './messages.ts';

/** Compiled in `dist/`; next to the sources a loader for them. */
const workerModule = new URL(
  import.meta.url.endsWith('.js') ? './mapping-worker.js' : './mapping-worker.dev.mjs',
  import.meta.url,
);

/** What a mapping may take: a body of the largest size, as objects, and as much again. */
const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

/** A thread that maps. It ends with the first question that it does not answer in time; another one takes its place. */
export type MappingThread = {
  /** Resolves when it can be asked. */
  readonly ready: Promise<boolean>;
  /** One at a time. After a failure that ended it, `isAlive` is false. */
  ask(question: MappingQuestion, withinMs: number): Promise<MappingOutcome>;
  readonly isAlive: () => boolean;
  end(): Promise<void>;
};

type Heard = MappingAnswer | 'ready' | 'ended' | 'memory' | 'timeout';

export function startMappingThread(): MappingThread {
  const worker = new Worker(workerModule, { execArgv: [], env: {}, resourceLimits });
  worker.unref();
  let alive = true;
  let settle: ((heard: Heard) => void) | undefined;
  const die = (why: 'ended' | 'memory'): void => {
    alive = false;
    settle?.(why);
  };
  worker.on('message', (answer: MappingAnswer | 'ready') => settle?.(answer));
  worker.on('error', (error: NodeJS.ErrnoException) =>
    die(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'ended'),
  );
  worker.on('exit', () => die('ended'));
  const next = () =>
    new Promise<Heard>((resolve) => {
      settle = resolve;
    });
  const ready = next().then((first) => first === 'ready');

  async function ask(question: MappingQuestion, withinMs: number): Promise<MappingOutcome> {
    const answered = next();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    worker.postMessage(question);
    const timer = setTimeout(() => {
      alive = false;
      settle?.('timeout');
    }, withinMs);
    const heard = await answered;
    clearTimeout(timer);
    if (heard === 'timeout') {
      await worker.terminate();
      return timedOut(withinMs);
    }
    if (heard === 'memory') return memory;
    if (heard === 'ended' || heard === 'ready') return ended;
    return heard.kind === 'failed' ? heard : read(heard.text);
  }

  return {
    ready,
    ask,
    isAlive: () => alive,
    async end() {
      alive = false;
      await worker.terminate();
    },
  };
}

function read(text: string): MappingOutcome {
  try {
    return { kind: 'mapped', values: parseJson(Buffer.from(text)) as readonly Json[] };
  } catch {
    return {
      kind: 'failed',
      code: 'mapping-output',
      text: 'The mapping gives what is no JSON of ours: it is nested too deeply, or has a forbidden member.',
    };
  }
}

const timedOut = (withinMs: number): MappingFailure => ({
  kind: 'failed',
  code: 'mapping-timeout',
  text: `The mapping took longer than ${withinMs} ms and was ended.`,
});

const ended: MappingFailure = {
  kind: 'failed',
  code: 'mapping-error',
  text: 'The thread that maps ended.',
};

const memory: MappingFailure = {
  kind: 'failed',
  code: 'mapping-memory',
  text: 'The mapping took more memory than it may and was ended.',
};

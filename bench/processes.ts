import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Ours are compiled beside us, or run from their sources by the loader that runs us. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const answerMsMax = 600_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export type Helper = {
  readonly child: ChildProcess;
  /** Calls one of the functions that the helper serves. Rejects when it fails or dies. */
  readonly ask: <Answer>(name: string, argument?: unknown) => Promise<Answer>;
  /** Resolves when it is gone. */
  readonly end: () => Promise<void>;
};

export type ForkOptions = {
  readonly arguments?: readonly string[];
  /** Flags of Node's own. */
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
};

/** A module of `bench/children`, or another by its URL, in a process of its own that ends with this one. */
export function startHelper(module: string | URL, options: ForkOptions = {}): Helper {
  const url =
    typeof module === 'string' ? new URL(`./children/${module}${extension}`, import.meta.url) : module;
  const child = fork(fileURLToPath(url), options.arguments ?? [], {
    execArgv: [...process.execArgv, ...(options.flags ?? [])],
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  running.add(child);
  // Each question listens until it is answered, and any number may be asked at once.
  child.setMaxListeners(0);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      running.delete(child);
      resolve();
    });
  });
  return {
    child,
    ask: (name, argument) => ask(child, name, argument, () => `${url.pathname}: ${said}`),
    async end() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The URL of a module that is no helper: the hub's. */
export const moduleUrl = (path: string): URL => new URL(`${path}${extension}`, import.meta.url);

type Question = { readonly number: number; readonly name: string; readonly argument: unknown };
type Reply = { readonly number: number; readonly answer?: unknown; readonly failure?: string };

let questions = 0;

function ask<Answer>(
  child: ChildProcess,
  name: string,
  argument: unknown,
  where: () => string,
): Promise<Answer> {
  const number = (questions += 1);
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      settle();
    };
    const fail = (why: string) => finish(() => reject(new Error(`${name}: ${why}; ${where()}`)));
    const onExit = () => fail('the process ended');
    const onMessage = (message: unknown) => {
      const reply = message as Reply;
      if (reply.number !== number) return;
      if (reply.failure !== undefined) fail(reply.failure);
      else finish(() => resolve(reply.answer as Answer));
    };
    const timer = setTimeout(() => fail(`no answer within ${answerMsMax} ms`), answerMsMax);
    child.on('message', onMessage).on('exit', onExit);
    child.send({ number, name, argument } satisfies Question);
  });
}

/** What a helper answers, by name. */
export type Served = { readonly [name: string]: (argument: never) => unknown };

/** Answers the parent, one question after the other as they come, and ends with it. */
export function serveParent(functions: Served): void {
  const served = new Map(Object.entries(functions));
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => {
    const { number, name, argument } = message as Question;
    const reply = (outcome: Omit<Reply, 'number'>) => process.send?.({ number, ...outcome } satisfies Reply);
    const run = async () => served.get(name)?.(argument as never);
    run().then(
      (answer) => reply({ answer }),
      (cause: unknown) =>
        reply({ failure: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
    );
  });
}

import { Readable } from 'node:stream';
import type { ExitCode } from '../../../src/cli/exit-codes.ts';
import { runCommandLine } from '../../../src/cli/program.ts';
import type { Surroundings } from '../../../src/cli/surroundings.ts';

export type Ending = { readonly exitCode: ExitCode; readonly stdout: string; readonly stderr: string };
export type Running = {
  readonly ended: Promise<Ending>;
  /** Resolves when stdout has this; rejects when the command ends before. */
  until(text: string | RegExp): Promise<void>;
  /** Ctrl-C. */
  interrupt(): void;
};
export type Setting = Partial<
  Pick<Surroundings, 'env' | 'homeDirectory' | 'workingDirectory' | 'nowMs' | 'serve'>
> & {
  /** What is on stdin; at a terminal it is what a person types. */
  readonly stdin?: string;
  readonly atTerminal?: boolean;
};

/** The command line, in this process: everything it does is real but the terminal. */
export function startCli(words: readonly string[], setting: Setting = {}): Running {
  const { stdin = '', atTerminal = false, ...given } = setting;
  const written = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  const interruption = new AbortController();
  const screen = (name: 'stdout' | 'stderr') => ({
    isTTY: atTerminal,
    columns: 80,
    write(text: string) {
      written[name] += text;
      for (const look of waiting) look();
    },
  });
  let over = false;
  const ended = runCommandLine(words, {
    version: '0.0.0-test',
    env: {},
    workingDirectory: '/nonexistent',
    homeDirectory: '/nonexistent',
    nowMs: Date.now,
    interrupted: () => interruption.signal,
    serve: () => Promise.reject(new Error('not served in this test')),
    ...given,
    stdin: Object.assign(Readable.from([stdin]), { isTTY: atTerminal }),
    stdout: screen('stdout'),
    stderr: screen('stderr'),
  }).then((exitCode) => {
    over = true;
    for (const look of waiting) look();
    return { exitCode, ...written };
  });
  return {
    ended,
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = typeof text === 'string' ? written.stdout.includes(text) : text.test(written.stdout);
          if (!found && !over) return;
          waiting.delete(look);
          if (found) resolve();
          else reject(new Error(`the command ended without ${text}: ${written.stdout}${written.stderr}`));
        };
        waiting.add(look);
        look();
      }),
    interrupt: () => interruption.abort(),
  };
}

export const runCli = (words: readonly string[], setting?: Setting): Promise<Ending> =>
  startCli(words, setting).ended;

/** As somebody who has the hub's URL and a token in the environment. */
export const asCaller = (hub: { readonly url: string; readonly adminToken: string }) => ({
  env: { CAEP_HUB_URL: hub.url, CAEP_HUB_TOKEN: hub.adminToken },
});

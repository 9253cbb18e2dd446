import type { ExitCode } from './exit-codes.ts';

/** Everything that commands ask of the process they run in. */
export type Surroundings = {
  readonly version: string;
  readonly env: { readonly [name: string]: string | undefined };
  readonly workingDirectory: string;
  readonly homeDirectory: string;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly nowMs: () => number;
  /** From the first call on, Ctrl-C aborts this instead of ending the process. */
  readonly interrupted: () => AbortSignal;
  /** Starts the hub; it goes on when this resolves. */
  readonly serve: (options: ServeOptions) => Promise<ExitCode>;
};

/** `acceptNewIssuer`: its receivers may come to know it by another URL than before. */
export type ServeOptions = { readonly acceptNewIssuer?: true };

export type Terminal = {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
};

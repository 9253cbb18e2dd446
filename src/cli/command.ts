import type { Command } from 'commander';
import type { ExitCode } from './exit-codes.ts';
import type { Hub } from './hub.ts';
import type { Screen } from './screen.ts';
import type { Surroundings } from './surroundings.ts';

/** What a command works with. */
export type CommandContext = {
  readonly screen: Screen;
  readonly surroundings: Surroundings;
  /** The hub that flags, environment and files name. @throws CliProblem when they name none. */
  connect(): Promise<Hub>;
};

export type GlobalOptions = { readonly hub?: string; readonly token?: string; readonly json?: true };

/** What a command does; `operands` are its arguments in order. */
export type Handler<Options extends object> = (
  context: CommandContext,
  options: Options,
  operands: readonly string[],
) => Promise<ExitCode>;

/** Ties a command to what it does. Its `--help` ends with the examples: there is none without. */
export type Bind = <Options extends object>(
  command: Command,
  examples: readonly [string, ...string[]],
  handler: Handler<Options>,
) => void;

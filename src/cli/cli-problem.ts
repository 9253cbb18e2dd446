import type { FieldError } from '../core/problem.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';

/** Why a command ends without having done what it was asked: expected, with an exit code and what to do next. Carries no secrets. */
export class CliProblem extends Error {
  readonly exitCode: ExitCode;
  /** The hub's problem code, else `usage`, `unreachable` and the like. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly errors: readonly FieldError[];

  constructor(exitCode: ExitCode, code: string, detail: string, more: CliProblemDetails = {}) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'CliProblem';
    this.exitCode = exitCode;
    this.code = code;
    this.hint = more.hint;
    this.errors = more.errors ?? [];
  }
}

export type CliProblemDetails = {
  readonly hint?: string;
  readonly errors?: readonly FieldError[];
  readonly cause?: unknown;
};

/** The command line itself is wrong: nothing was sent. */
export const wrongUsage = (detail: string, hint?: string): CliProblem =>
  new CliProblem(exitCodes.usage, 'usage', detail, hint === undefined ? {} : { hint });

export const isCliProblem = (thrown: unknown): thrown is CliProblem => thrown instanceof CliProblem;

import type { Command } from 'commander';
import { parseSpan } from './arguments.ts';

/** Whoever waits longer comes back with `signal show`. Far below where the timers of Node overflow and fire at once. */
const waitMsMax = 3_600_000;

export const withWait = (command: Command): Command =>
  command.option('--wait <span>', 'how long the points are waited for, 1h at the most', '5s');

/** @throws CliProblem for what is no time to wait. To be asked before anything is sent. */
export const parseWait = (text: string): number => parseSpan('--wait', text, waitMsMax);

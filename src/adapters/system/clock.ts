import { performance } from 'node:perf_hooks';
import type { Millis } from '../../core/vocabulary.ts';

/** The only place where the hub reads a clock. */
export type Clock = {
  /** Whole milliseconds since the Unix epoch. May jump when the machine's clock is set. */
  nowMs(): Millis;
  /** Milliseconds since some moment of this process; never goes back. For durations only. */
  monotonicMs(): number;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

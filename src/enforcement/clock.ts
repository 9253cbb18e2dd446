import { performance } from 'node:perf_hooks';
import type { Clock } from './feed-types.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serveParent } from '../processes.ts';

/** Loaded into a process beside its own program: how long its event loop stood still, looking every millisecond, and what it used of the processor. */
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

serveParent({
  watch: () => delay.reset(),
  longestMs: () => delay.max / 1e6,
  /** Of all its threads, so far, in microseconds. */
  cpuMicros() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});
// The program decides when its process ends.
process.channel?.unref();

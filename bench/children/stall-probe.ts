import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serveParent } from '../processes.ts';

/** Loaded into a process beside its own program: how long its event loop stood still. Looks every millisecond. */
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

serveParent({
  watch: () => delay.reset(),
  longestMs: () => delay.max / 1e6,
});
// The program decides when its process ends.
process.channel?.unref();

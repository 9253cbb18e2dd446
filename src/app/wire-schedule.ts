import { setTimeout as delay } from 'node:timers/promises';
import { createScheduler, type Scheduler, type Task } from '../adapters/bullmq/scheduler.ts';
import { createHeldStore } from '../adapters/postgres/held-store.ts';
import { createForgetInstances } from '../adapters/postgres/instance-sweep.ts';
import { createDueStore, createSweeps } from '../adapters/postgres/revocation-sweeps.ts';
import { vacuumEmbedded } from '../adapters/postgres/vacuum.ts';
import { newId } from '../adapters/system/ids.ts';
import { createDueWork } from '../pipeline/due-work.ts';
import { instancesKeptMs } from '../points/ports.ts';
import type { Hub } from './platform.ts';
import type { Keys } from './wire-keys.ts';
import type { Transmitter } from './wire-transmitter.ts';
import type { Signals } from './wire-signals.ts';
import type { Receiver } from './wire-receiver.ts';
import type { Streams } from './wire-streams.ts';
import type { Upstreams } from './wire-upstreams.ts';

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const dayMs = 24 * 60 * minuteMs;
/** Receipts, their notes and reports are looked at for so long. */
const receiptsKeptMs = 30 * dayMs;
/** Twice what a node keeps in memory: a tail is loaded while the log is trimmed. */
const feedLogKept = 200_000;
const startAgainMs = 2 * secondMs;

/** Puts what is due later into the queue. */
export type Scheduled = Pick<Scheduler, 'at'>;

type ScheduleNeeds = {
  readonly signals: Signals;
  readonly keys: Pick<Keys, 'sweep'>;
  readonly streams: Pick<Streams, 'pauseInactive'>;
  readonly transmitter: Pick<Transmitter, 'wake' | 'sweep' | 'sweepEnded'>;
  readonly upstreams: Pick<Upstreams, 'wake'>;
  readonly receiver: Pick<Receiver, 'sweep'>;
  readonly sweepUsedProofs: (stop: AbortSignal) => Promise<void>;
};

/**
 * What is due later and what is done again and again, on any node. Starts in the background: the hub listens before,
 * and `/readyz` notes that it has not started.
 */
export function wireSchedule(hub: Hub, needs: ScheduleNeeds): Scheduled {
  const { signals, keys, streams, transmitter, upstreams, receiver, sweepUsedProofs } = needs;
  const { database, redis, announcer, clock, log, metrics, parts, closers } = hub;
  const { handle } = signals;
  const { nowMs } = clock;
  const held = createHeldStore({ database, announcer });
  const store = createDueStore({ database, held });
  const due = createDueWork({ store, handle, discard: held.discard, nowMs, newId });
  const sweeps = createSweeps({ database, announcer });
  const forgetInstances = createForgetInstances({ database });
  const every = (everyMs: number, run: (stop: AbortSignal) => Promise<unknown>): Task => ({
    everyMs,
    run: async (_id, stop) => void (await run(stop)),
  });
  const tasks: Record<string, Task> = {
    'timed-lifts': every(2 * secondMs, due.liftDue),
    'held-deadlines': every(5 * secondMs, due.decideHeldDue),
    'lapsed-entries': every(30 * secondMs, (stop) => sweeps.dropLapsed(nowMs(), stop)),
    'lapsed-standing-kills': every(minuteMs, (stop) => sweeps.endLapsedStanding(nowMs(), stop)),
    'old-feed-log': every(5 * minuteMs, (stop) => sweeps.trimFeedLog(feedLogKept, stop)),
    'old-kill-counts': every(minuteMs, (stop) => sweeps.trimKillCounts(nowMs() - 2 * minuteMs, stop)),
    'used-proofs': every(minuteMs, sweepUsedProofs),
    'old-receipts': every(60 * minuteMs, (stop) => sweeps.trimReceipts(nowMs() - receiptsKeptMs, stop)),
    'superseded-keys': every(minuteMs, () => keys.sweep()),
    'inactive-streams': every(30 * secondMs, streams.pauseInactive),
    'ended-streams': every(30 * secondMs, transmitter.sweepEnded),
    'settled-deliveries': every(10 * minuteMs, transmitter.sweep),
    upstreams: every(2 * secondMs, async () => upstreams.wake()),
    'old-sets': every(60 * minuteMs, receiver.sweep),
    deliver: { run: async () => transmitter.wake() },
    'gone-instances': every(10 * minuteMs, (stop) =>
      forgetInstances({ beforeMs: nowMs() - instancesKeptMs, stop }),
    ),
  };
  if (database.kind === 'embedded') {
    tasks['vacuum'] = every(10 * minuteMs, (stop) => vacuumEmbedded(database, stop));
  }
  const onError = (error: unknown, task?: string): void => {
    metrics.alerted('task-failed');
    log.error({ err: error, task }, 'scheduled work failed; it is tried again');
  };
  const closing = new AbortController();
  const starting = startScheduler(
    () => createScheduler({ ...(redis === undefined ? { database } : { redis }), nowMs, tasks, onError }),
    onError,
    closing.signal,
  );
  let started = false;
  void starting.then(() => {
    started = true;
    return undefined;
  });
  parts.set('schedule', () => (started ? {} : { notices: ['Scheduled work has not started yet.'] }));
  closers.add('schedule', async () => {
    closing.abort();
    await (await starting)?.close();
  });
  return {
    async at(task, id, dueAtMs) {
      await (await starting)?.at(task, id, dueAtMs);
    },
  };
}

/** Tries until it succeeds or is told to stop: the database may be away just then. */
async function startScheduler(
  start: () => Promise<Scheduler>,
  onError: (error: unknown) => void,
  stop: AbortSignal,
): Promise<Scheduler | undefined> {
  while (!stop.aborted) {
    try {
      return await start();
    } catch (error) {
      onError(error);
    }
    await delay(startAgainMs, undefined, { signal: stop }).catch(() => undefined);
  }
  return undefined;
}

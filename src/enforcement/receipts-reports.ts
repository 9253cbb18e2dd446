import { randomUUID } from 'node:crypto';
import type { RefusalReport, ReportBody, SightingReport } from '../core/feed.ts';
import { HubRefusal, type HubTransport, post } from './feed-transport.ts';
import { createPacer } from './receipts-pace.ts';
import { createHeldReports, type ReportBatch, splitBatch } from './receipts-reports-held.ts';

/** What was refused and seen, merged, in batches. Never waits; when the hub cannot keep up, the newest kinds are left out. */
export type Reports = {
  readonly report: (refusal: RefusalReport) => void;
  readonly sight: (sighting: SightingReport) => void;
  /** Sends what is left, thefts first, until the first failure and at most `closeMsMax` long. */
  readonly close: () => Promise<void>;
};

const hopeless = new Set([400, 413, 422]);
const paceMs = 1_000;
const timeoutMs = 5_000;
/** Of all batches that are sent at the end: the process wants to go. */
export const closeMsMax = 5_000;

export function createReports(options: {
  readonly transport: HubTransport;
  readonly onFailure: (cause: unknown) => void;
  /** So many reports are lost, and why. */
  readonly onDropped: (count: number, why: string, cause?: unknown) => void;
}): Reports {
  const held = createHeldReports();
  /** Batches that were not heard, to be sent again as they were: the hub may have kept them. And parts of what it did not understand. */
  const made: Batch[] = [];

  /** As long as one waits here only thefts go before it, so that there are never more than those of two batches. */
  const next = (): Batch | undefined => {
    const urgent = made.findIndex(({ refusals }) => refusals.some(({ theft }) => theft));
    if (urgent >= 0) return made.splice(urgent, 1)[0];
    const taken = held.take(made.length > 0 ? 'thefts' : 'all');
    return taken === undefined ? made.shift() : batchOf(taken);
  };
  /** Whether there is more. */
  const sendNext = async (stop: AbortSignal): Promise<boolean> => {
    const batch = next();
    if (!batch) return false;
    try {
      await post(options.transport, 'v1/points/reports', batch, stop, timeoutMs);
    } catch (cause) {
      const parts = splitBatch(batch).map(batchOf);
      const isHopeless = cause instanceof HubRefusal && hopeless.has(cause.status);
      made.unshift(...(isHopeless ? parts : [batch]));
      if (!isHopeless) throw cause;
      // One item spoils the others, which must be heard. What is not understood by itself will not be tomorrow.
      if (parts.length === 0) options.onDropped(1, 'the hub does not understand it', cause);
    }
    return made.length + held.size > 0;
  };
  const pacer = createPacer({
    firstPaceMs: paceMs,
    send: async (stop) => {
      const left = held.takeLeftOut();
      if (left > 0) options.onDropped(left, 'the hub does not keep up');
      return (await sendNext(stop)) ? 0 : paceMs;
    },
    onFailure: options.onFailure,
  });
  let started = false;
  const begin = (): void => {
    if (!started) pacer.urge();
    started = true;
  };

  return {
    report: (refusal) => {
      held.addRefusal(refusal);
      if (refusal.theft) pacer.urge();
      else begin();
    },
    sight: (sighting) => {
      held.addSighting(sighting);
      begin();
    },
    close: async () => {
      await pacer.close();
      const failure = await sendAll(sendNext);
      const left = held.size + held.takeLeftOut() + made.reduce((sum, batch) => sum + sizeOf(batch), 0);
      if (left > 0) options.onDropped(left, 'the hub did not hear them before the end', failure);
    },
  };
}

type Batch = ReportBody & ReportBatch;

const batchOf = (taken: ReportBatch): Batch => ({ batch_id: randomUUID(), ...taken });

const sizeOf = ({ refusals, sightings }: Batch): number => refusals.length + sightings.length;

/** What ended it, if it was not that nothing is left. */
async function sendAll(sendNext: (stop: AbortSignal) => Promise<boolean>): Promise<unknown> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(new Error(`not done within ${closeMsMax} ms`)), closeMsMax);
  try {
    while (await sendNext(ended.signal));
    return undefined;
  } catch (cause) {
    return cause;
  } finally {
    clearTimeout(timer);
  }
}

import type { RefusalReport, SightingReport } from '../core/feed.ts';
import { HubRefusal, type HubTransport, post } from './feed-transport.ts';
import { createPacer } from './receipts-pace.ts';
import { createHeldReports, type ReportBatch, splitBatch } from './receipts-reports-held.ts';

/** What was refused and seen, merged, in batches. Never waits; when the hub cannot keep up, the newest kinds are left out. */
export type Reports = {
  readonly report: (refusal: RefusalReport) => void;
  readonly sight: (sighting: SightingReport) => void;
  readonly close: () => Promise<void>;
};

const hopeless = new Set([400, 413, 422]);
const paceMs = 1_000;
const timeoutMs = 5_000;

export function createReports(options: {
  readonly transport: HubTransport;
  readonly onFailure: (cause: unknown) => void;
}): Reports {
  const held = createHeldReports();
  /** Parts of a batch that the hub did not understand: one of its items spoils them, and the others must be heard. */
  const suspects: ReportBatch[] = [];

  const giveUp = (batch: ReportBatch, cause: unknown): void => {
    const parts = splitBatch(batch);
    suspects.push(...parts);
    // What the hub does not understand by itself it will not understand tomorrow.
    if (parts.length === 0) options.onFailure(cause);
  };
  const send = async (stop: AbortSignal): Promise<number> => {
    const batch = suspects.shift() ?? held.take();
    if (!batch) return paceMs;
    try {
      await post(options.transport, 'v1/points/reports', batch, stop, timeoutMs);
    } catch (cause) {
      if (!(cause instanceof HubRefusal && hopeless.has(cause.status))) {
        for (const refusal of batch.refusals) held.addRefusal(refusal);
        for (const sighting of batch.sightings) held.addSighting(sighting);
        throw cause;
      }
      giveUp(batch, cause);
    }
    return suspects.length + held.size > 0 ? 0 : paceMs;
  };
  const pacer = createPacer({ firstPaceMs: paceMs, send, onFailure: options.onFailure });
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
      await send(AbortSignal.timeout(timeoutMs)).catch(options.onFailure);
    },
  };
}

import type { RefusalReport, SightingReport } from '../core/feed.ts';
import { HubRefusal, type HubTransport, post } from './feed-transport.ts';
import { createPacer } from './receipts-pace.ts';

/** What was refused and seen, merged, in batches. Never waits; when the hub cannot keep up, the newest kinds are left out. */
export type Reports = {
  readonly report: (refusal: RefusalReport) => void;
  readonly sight: (sighting: SightingReport) => void;
  readonly close: () => Promise<void>;
};

/** Different ones between two batches. Equal ones only add to a count. */
const heldMax = 1_000;
/** The hub takes bodies of 64 KiB and lists of 200. */
const batchUnitsMax = 40_000;
const batchItemsMax = 100;
const hopeless = new Set([400, 413, 422]);
const paceMs = 1_000;
const timeoutMs = 5_000;

export function createReports(options: {
  readonly transport: HubTransport;
  readonly onFailure: (cause: unknown) => void;
}): Reports {
  const refusals = new Map<string, RefusalReport>();
  const sightings = new Map<string, SightingReport>();

  const send = async (stop: AbortSignal): Promise<number> => {
    const batch = takeBatch(refusals, sightings);
    if (!batch) return paceMs;
    try {
      await post(options.transport, 'v1/points/reports', batch, stop, timeoutMs);
    } catch (cause) {
      // What the hub does not understand it will not understand tomorrow.
      if (!(cause instanceof HubRefusal && hopeless.has(cause.status))) {
        for (const refusal of batch.refusals) addRefusal(refusals, refusal);
        for (const sighting of batch.sightings) addSighting(sightings, sighting);
      }
      throw cause;
    }
    return refusals.size + sightings.size > 0 ? 0 : paceMs;
  };
  const pacer = createPacer({ firstPaceMs: paceMs, send, onFailure: options.onFailure });
  let started = false;
  const begin = (): void => {
    if (!started) pacer.urge();
    started = true;
  };

  return {
    report: (refusal) => {
      addRefusal(refusals, refusal);
      if (refusal.theft) pacer.urge();
      else begin();
    },
    sight: (sighting) => {
      addSighting(sightings, sighting);
      begin();
    },
    close: async () => {
      await pacer.close();
      await send(AbortSignal.timeout(timeoutMs)).catch(options.onFailure);
    },
  };
}

function takeBatch(
  refusals: Map<string, RefusalReport>,
  sightings: Map<string, SightingReport>,
):
  | { readonly refusals: readonly RefusalReport[]; readonly sightings: readonly SightingReport[] }
  | undefined {
  if (refusals.size + sightings.size === 0) return undefined;
  const room = { units: batchUnitsMax };
  return { refusals: takeSome(refusals, room), sightings: takeSome(sightings, room) };
}

/** At least one, if there is room for any. The keys are as long as what they stand for. */
function takeSome<Item>(held: Map<string, Item>, room: { units: number }): readonly Item[] {
  const taken: Item[] = [];
  for (const [key, item] of held) {
    if (room.units <= 0 || taken.length >= batchItemsMax) break;
    room.units -= key.length;
    held.delete(key);
    taken.push(item);
  }
  return taken;
}

function addRefusal(held: Map<string, RefusalReport>, refusal: RefusalReport): void {
  const { at_ms: at, decision_id: decision, count, ...same } = refusal;
  const key = JSON.stringify(same);
  const before = held.get(key);
  if (before) {
    held.set(key, { ...before, at_ms: Math.min(before.at_ms, at), count: before.count + count });
  } else if (held.size < heldMax) {
    held.set(key, { ...same, at_ms: at, decision_id: decision, count });
  }
}

function addSighting(held: Map<string, SightingReport>, sighting: SightingReport): void {
  const { first_at_ms: first, last_at_ms: last, count, ...same } = sighting;
  const key = JSON.stringify(same);
  const before = held.get(key);
  if (before) {
    held.set(key, {
      ...before,
      first_at_ms: Math.min(before.first_at_ms, first),
      last_at_ms: Math.max(before.last_at_ms, last),
      count: before.count + count,
    });
  } else if (held.size < heldMax) held.set(key, sighting);
}

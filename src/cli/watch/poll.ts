import { followEnforcement } from '../follow-enforcement.ts';
import type { Report, Signal } from '../wire.ts';
import type { Memory, Part, Watching } from './watch.ts';

/** Looks are this far apart when the feed is silent. */
const lookEveryMs = 1_000;
/** Of one look; only when none of them was shown before is the larger one taken. */
const lookItems = 20;
const catchUpItems = 200;
const shownMax = 1_000;
/** A signal's points are watched so long, and of so many signals at once. */
const followMs = 60_000;
const followedMax = 20;

/** Signals as they come in, and how the points take them up. */
export const pollSignals: Part = async (watching, memory) => {
  let followed = 0;
  await poll<Signal>(
    watching,
    memory,
    '/v1/signals',
    ({ signal_id: id = '' }) => id,
    (signal) => {
      watching.see({ kind: 'signal', at_ms: signal.received_at_ms, signal });
      if (signal.revocations.length + signal.lifted.length === 0 || followed === followedMax) return;
      followed += 1;
      void watchPoints(watching, signal.signal_id ?? '').finally(() => {
        followed -= 1;
      });
    },
  );
};

/** What instances refused and saw. */
export const pollReports: Part = (watching, memory) =>
  poll<Report>(
    watching,
    memory,
    '/v1/points/reports',
    ({ id }) => id,
    (report) => {
      watching.see({ kind: 'report', at_ms: report.received_at_ms, report });
    },
  );

/** Tells what a list, newest first, has that it had not before; oldest first. Goes on until `stop`. */
async function poll<Item>(
  { hub, stop, moved }: Watching,
  memory: Memory,
  path: string,
  idOf: (item: Item) => string,
  tell: (item: Item) => void,
): Promise<void> {
  while (!stop.aborted) {
    let { items } = await hub.list<Item>(path, {}, lookItems);
    memory.answered = true;
    const first = memory.shown === undefined;
    const shown = (memory.shown ??= new Set());
    const isNew = (item: Item): boolean => !shown.has(idOf(item));
    if (!first && items.length === lookItems && items.every(isNew)) {
      ({ items } = await hub.list<Item>(path, {}, catchUpItems));
    }
    for (const item of items.filter(isNew).toReversed()) {
      shown.add(idOf(item));
      if (!first) tell(item);
    }
    for (const id of shown) {
      if (shown.size <= shownMax) break;
      shown.delete(id);
    }
    await moved(lookEveryMs);
  }
}

async function watchPoints({ hub, stop, note, nowMs, see }: Watching, signalId: string): Promise<void> {
  const told = new Map<string, string>();
  const last = await followEnforcement(hub, signalId, {
    stop: AbortSignal.any([stop, AbortSignal.timeout(followMs)]),
    onTrouble: note,
    onState({ instances }) {
      for (const instance of instances) {
        const name = `${instance.point}/${instance.instance}`;
        if (instance.state === 'pending' || told.get(name) === instance.state) continue;
        told.set(name, instance.state);
        see({ kind: 'enforcement', at_ms: nowMs(), signal_id: signalId, instance });
      }
    },
  });
  if (last === undefined || stop.aborted) return;
  const { state, expected, applied } = last;
  see({ kind: 'enforced', at_ms: nowMs(), signal_id: signalId, state, expected, applied });
}

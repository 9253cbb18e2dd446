import { type Memory, poll } from '../follow.ts';
import { followEnforcement } from '../follow-enforcement.ts';
import type { Report, Signal } from '../wire.ts';
import type { Watching } from './watch.ts';

/** A signal's points are watched so long, and of so many signals at once. */
const followMs = 60_000;
const followedMax = 20;

/** Signals as they come in, and how the points take them up. */
export async function followSignals(watching: Watching, memory: Memory): Promise<void> {
  let followed = 0;
  await poll<Signal>(watching, memory, {
    path: '/v1/signals',
    listedBy: 'caep-hub signal list',
    idOf: ({ signal_id: id = '' }) => id,
    tell(signal) {
      watching.see({ kind: 'signal', at_ms: signal.received_at_ms, signal });
      if (signal.revocations.length + signal.lifted.length === 0 || followed === followedMax) return;
      followed += 1;
      void watchPoints(watching, signal.signal_id ?? '').finally(() => {
        followed -= 1;
      });
    },
  });
}

/** What instances refused and saw. */
export const followReports = (watching: Watching, memory: Memory): Promise<void> =>
  poll<Report>(watching, memory, {
    path: '/v1/points/reports',
    listedBy: 'caep-hub point reports',
    idOf: ({ id }) => id,
    tell: (report) => watching.see({ kind: 'report', at_ms: report.received_at_ms, report }),
  });

async function watchPoints({ hub, stop, note, nowMs, see }: Watching, signalId: string): Promise<void> {
  const told = new Map<string, string>();
  const last = await followEnforcement(hub, signalId, {
    stop,
    atMostMs: followMs,
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

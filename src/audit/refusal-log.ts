import type { Refusal } from '../http/authenticate.ts';
import type { AuditEntry } from '../pipeline/ports.ts';
import type { AuditStore } from './ports.ts';

const minuteMs = 60_000;
/** Callers and reasons told apart within one minute; further ones are counted together. */
const kindsMax = 1_000;
const otherCallers = 'others';

export type RefusalLog = {
  readonly note: (refusal: Refusal) => void;
  /** Writes the minutes that are over; with `all`, also the one that is not. */
  flush(all?: boolean): Promise<void>;
};

type Tally = { readonly minute: number; readonly refusal: Refusal; count: number };

/** Refused attempts become one row per caller, reason and minute, however many there are: an attack does not fill the audit. */
export function createRefusalLog(options: {
  readonly store: Pick<AuditStore, 'insert'>;
  readonly nowMs: () => number;
}): RefusalLog {
  const { store, nowMs } = options;
  const tallies = new Map<string, Tally>();

  return {
    note(asked) {
      const minute = Math.floor(nowMs() / minuteMs);
      const isNew = !tallies.has(keyOf(minute, asked));
      const refusal = { ...asked, who: isNew && tallies.size >= kindsMax ? otherCallers : asked.who };
      const key = keyOf(minute, refusal);
      const tally = tallies.get(key) ?? { minute, refusal, count: 0 };
      tally.count += 1;
      tallies.set(key, tally);
    },

    async flush(all = false) {
      const thisMinute = Math.floor(nowMs() / minuteMs);
      const due = [...tallies].filter(([, { minute }]) => all || minute < thisMinute);
      for (const [key] of due) tallies.delete(key);
      try {
        if (due.length > 0) await store.insert(due.map(([, tally]) => toEntry(tally)));
      } catch (error) {
        for (const [key, tally] of due) if (!tallies.has(key)) tallies.set(key, tally);
        throw error;
      }
    },
  };
}

const keyOf = (minute: number, { who, reason, target = 'api' }: Refusal): string =>
  JSON.stringify([minute, who, reason, target]);

function toEntry({ minute, refusal, count }: Tally): AuditEntry {
  return {
    atMs: minute * minuteMs,
    actor: refusal.who,
    action: 'request.refused',
    target: refusal.target ?? 'api',
    outcome: 'refused',
    detail: { reason: refusal.reason, count },
  };
}

import type { Millis, PointName } from '../core/vocabulary.ts';
import type { FedLease, Instance } from './ports.ts';

/** How far ahead `fed_until_ms` lies while an instance is connected; renewed at half of it. */
const leaseMs = 10_000;

type Named = { readonly point: PointName; readonly instance: string };

/** Until when the instances of this node are fed: those with a stream, and those that poll. Others are as the table has them. */
export type FedLeases = {
  /** It is connected, or got an answer. @returns the lease to write; nothing while the last one is good for long. */
  renew(named: Named): FedLease | undefined;
  /** It has no stream here any more; it may have one at another node, which the table tells. @returns the lease to write. */
  end(named: Named): FedLease;
  /** The one that is not over. */
  current(named: Named): FedLease | undefined;
  /** What to believe of an instance as the table has it, which knows of the newest lease of this node a moment later. */
  believe(read: Instance, known: Instance | undefined): Millis | undefined;
  forget(named: Named): void;
};

export function createFedLeases(nowMs: () => Millis): FedLeases {
  const leases = new Map<string, FedLease>();
  /** What ended leases said: the table may say it still. */
  const over = new Map<string, Millis>();

  /** Who polls does not say that it left: its lease runs out. */
  function current(named: Named): FedLease | undefined {
    const lease = leases.get(keyOf(named));
    if (lease === undefined || lease.fedUntilMs > nowMs()) return lease;
    leases.delete(keyOf(named));
    return undefined;
  }

  return {
    renew({ point, instance }) {
      const key = keyOf({ point, instance });
      const now = nowMs();
      over.delete(key);
      if ((leases.get(key)?.fedUntilMs ?? 0) > now + leaseMs / 2) return undefined;
      const lease = { point, instance, fedUntilMs: now + leaseMs };
      leases.set(key, lease);
      return lease;
    },
    end({ point, instance }) {
      const key = keyOf({ point, instance });
      const before = leases.get(key);
      leases.delete(key);
      if (before) over.set(key, before.fedUntilMs);
      return { point, instance, fedUntilMs: nowMs() };
    },
    current,
    believe(read, known) {
      const lease = current(read);
      if (lease) return lease.fedUntilMs;
      const key = keyOf(read);
      if (over.has(key) && over.get(key) === read.fedUntilMs) return known?.fedUntilMs;
      over.delete(key);
      return read.fedUntilMs;
    },
    forget(named) {
      leases.delete(keyOf(named));
      over.delete(keyOf(named));
    },
  };
}

const keyOf = ({ point, instance }: Named): string => `${point}/${instance}`;

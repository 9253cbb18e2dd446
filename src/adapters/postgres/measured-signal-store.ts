import type { SignalStore } from '../../pipeline/store.ts';

/** Tells of each group that was committed: how many signals, and the seconds from the start of its transaction. */
export function measureSignalStore(
  store: SignalStore,
  options: {
    readonly monotonicMs: () => number;
    readonly onCommitted: (signals: number, seconds: number) => void;
  },
): SignalStore {
  const { monotonicMs, onCommitted } = options;
  return {
    async transact(first, work) {
      const startedMs = monotonicMs();
      let signals = 0;
      const result = await store.transact(first, (tx, answers) =>
        work(
          {
            ...tx,
            commit(group, nowMs) {
              signals = group.length;
              return tx.commit(group, nowMs);
            },
          },
          answers,
        ),
      );
      if (signals > 0) onCommitted(signals, (monotonicMs() - startedMs) / 1_000);
      return result;
    },
  };
}

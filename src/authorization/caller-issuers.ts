import type { IssuerSettings } from '../core/issuer.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { CallerIssuerStore } from './ports.ts';

/** Changes whose announcement was lost are found after so long. */
const rereadMs = 5_000;

/** This node's view of the issuers that are believed about callers. */
export type CallerIssuers = {
  all(): readonly IssuerSettings[];
  /** Calls back after each reading. */
  onRead(listener: () => void): void;
  /** Reads the store again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  close(): void;
};

/** Loads once before it resolves, then follows `tokens`; every `rereadMs` in case an announcement was lost. */
export async function createCallerIssuers(options: {
  readonly store: Pick<CallerIssuerStore, 'list'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<CallerIssuers> {
  const listeners: (() => void)[] = [];
  let known: readonly IssuerSettings[] = [];
  let reads = 0;
  let applied = 0;

  async function refresh(): Promise<void> {
    const read = ++reads;
    const listed = await options.store.list();
    // An older read that arrives late must not undo a newer one.
    if (read < applied) return;
    applied = read;
    known = listed;
    for (const listener of listeners) listener();
  }
  const refreshQuietly = () => void refresh().catch(options.onError);

  await refresh();
  const unsubscribe = options.announcer.subscribe('tokens', refreshQuietly);
  const timer = setInterval(refreshQuietly, rereadMs);
  timer.unref();
  return {
    all: () => known,
    onRead: (listener) => void listeners.push(listener),
    refresh,
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}

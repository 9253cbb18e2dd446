import type { Announcer } from './ports.ts';

/** Announcements that were lost are made up for after so long. */
const rereadMs = 5_000;

/** What a node knows of rows that other nodes change, read without a query. */
export type FollowedView<T> = {
  current(): T;
  /** Reads again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  close(): void;
};

/** Reads once before it resolves, then whenever `topic` is announced; every `rereadMs` in case an announcement was lost. */
export async function createFollowedView<T>(options: {
  readonly read: () => Promise<T>;
  readonly topic: Parameters<Announcer['subscribe']>[0];
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<FollowedView<T>> {
  const { read, topic, announcer, onError } = options;
  let known = await read();
  let reads = 0;
  let applied = 0;

  async function refresh(): Promise<void> {
    const turn = ++reads;
    const found = await read();
    // An older read that arrives late must not undo a newer one.
    if (turn < applied) return;
    applied = turn;
    known = found;
  }
  const refreshQuietly = () => void refresh().catch(onError);

  const unsubscribe = announcer.subscribe(topic, refreshQuietly);
  const timer = setInterval(refreshQuietly, rereadMs);
  timer.unref();

  return {
    current: () => known,
    refresh,
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}

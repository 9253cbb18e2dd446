import type { Announcer, FollowedRows, Topic } from '../../pipeline/ports.ts';

/** Changes whose announcement was lost are found after so long. */
const rereadMs = 5_000;

/** Reads once before it resolves, then follows `topics`; every `rereadMs` in case an announcement was lost. */
export async function followRows<Row>(options: {
  readonly list: () => Promise<readonly Row[]>;
  readonly topics: readonly Topic[];
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<FollowedRows<Row>> {
  const listeners: (() => void)[] = [];
  let known: readonly Row[] = [];
  let reads = 0;
  let applied = 0;

  async function refresh(): Promise<void> {
    const read = ++reads;
    const listed = await options.list();
    // An older read that arrives late must not undo a newer one.
    if (read < applied) return;
    applied = read;
    known = listed;
    for (const listener of listeners) listener();
  }
  /** The newest reading of its own, done or under way. */
  let reading: Promise<void> = Promise.resolve();
  const refreshQuietly = () => {
    reading = refresh().catch(options.onError);
  };

  await refresh();
  const ends = options.topics.map((topic) => options.announcer.subscribe(topic, refreshQuietly));
  const timer = setInterval(refreshQuietly, rereadMs);
  timer.unref();
  return {
    all: () => known,
    onRead: (listener) => void listeners.push(listener),
    refresh,
    settled: () => reading,
    close() {
      clearInterval(timer);
      for (const end of ends) end();
    },
  };
}

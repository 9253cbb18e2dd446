import { coalesce } from '../core/coalesce.ts';
import type { UpstreamId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { Upstream, UpstreamStore } from './ports.ts';

/** Changes whose announcement was lost are found after so long. */
const rereadMs = 5_000;

/** This node's view of the upstreams there are, with the limits of their sources. */
export type UpstreamDirectory = {
  all(): readonly Upstream[];
  byId(id: UpstreamId): Upstream | undefined;
  /** Calls back after each reading. */
  onRead(listener: () => void): void;
  /** Reads the store again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  close(): void;
};

/** Loads once before it resolves, then follows `configuration`, and `tokens` for the limits of sources. */
export async function createUpstreamDirectory(options: {
  readonly store: Pick<UpstreamStore, 'list'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<UpstreamDirectory> {
  const listeners: (() => void)[] = [];
  let known: ReadonlyMap<UpstreamId, Upstream> = new Map();
  const refresh = coalesce(async () => {
    const listed = await options.store.list();
    known = new Map(listed.map((upstream) => [upstream.id, upstream]));
    for (const listener of listeners) listener();
  });
  const refreshQuietly = (): void => void refresh().catch(options.onError);
  await refresh();
  const ends = (['configuration', 'tokens'] as const).map((topic) =>
    options.announcer.subscribe(topic, refreshQuietly),
  );
  const timer = setInterval(refreshQuietly, rereadMs);
  timer.unref();
  return {
    all: () => [...known.values()],
    byId: (id) => known.get(id),
    onRead: (listener) => void listeners.push(listener),
    refresh,
    close() {
      clearInterval(timer);
      for (const end of ends) end();
    },
  };
}

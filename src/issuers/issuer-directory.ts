import type { IssuerSettings } from '../core/issuer.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { IssuerStore } from './ports.ts';

/** This node's view of the configured issuers: what deciding, defaults and the feed's configuration read without a query. */
export type IssuerDirectory = {
  settings(url: string): IssuerSettings | undefined;
  all(): readonly IssuerSettings[];
  /** The issuer meant when a subject leaves `iss` out: the only one there is. */
  only(): string | undefined;
  /** Reads the store again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  close(): void;
};

/** Loads once before it resolves, then follows `configuration`; every `rereadMs` in case an announcement was lost. */
export async function createIssuerDirectory(options: {
  readonly store: Pick<IssuerStore, 'list'>;
  readonly announcer: Announcer;
  readonly onError: (cause: unknown) => void;
}): Promise<IssuerDirectory> {
  let known: ReadonlyMap<string, IssuerSettings> = new Map();
  let reads = 0;
  let applied = 0;

  async function refresh(): Promise<void> {
    const read = ++reads;
    const listed = await options.store.list();
    // An older read that arrives late must not undo a newer one.
    if (read < applied) return;
    applied = read;
    known = new Map(listed.map((settings) => [settings.url, settings]));
  }
  const refreshQuietly = () => void refresh().catch(options.onError);

  await refresh();
  const unsubscribe = options.announcer.subscribe('configuration', refreshQuietly);
  const timer = setInterval(refreshQuietly, rereadMs);
  timer.unref();

  return {
    settings: (url) => known.get(url),
    all: () => [...known.values()],
    only: () => (known.size === 1 ? [...known.keys()][0] : undefined),
    refresh,
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}

const rereadMs = 5_000;

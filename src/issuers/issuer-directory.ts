import type { IssuerSettings } from '../core/issuer.ts';
import { createFollowedView } from '../pipeline/followed-view.ts';
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

/** @see createFollowedView */
export async function createIssuerDirectory(options: {
  readonly store: Pick<IssuerStore, 'list'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<IssuerDirectory> {
  const { store, announcer, onError } = options;
  const view = await createFollowedView({
    read: async (): Promise<ReadonlyMap<string, IssuerSettings>> =>
      new Map((await store.list()).map((settings) => [settings.url, settings])),
    topic: 'configuration',
    announcer,
    onError,
  });
  return {
    settings: (url) => view.current().get(url),
    all: () => [...view.current().values()],
    only: () => (view.current().size === 1 ? [...view.current().keys()][0] : undefined),
    refresh: view.refresh,
    close: view.close,
  };
}

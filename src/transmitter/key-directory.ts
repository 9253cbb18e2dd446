import { createFollowedView } from '../pipeline/followed-view.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { SigningKey, SigningKeyStore } from './key-ports.ts';
import type { IsKeyServed } from './ports.ts';

/** This node's view of the signing keys: what signing and `/jwks.json` read without a query. */
export type KeyDirectory = {
  all(): readonly SigningKey[];
  /** A kid that is not known yet counts as served until a look has shown that there is no such key: another node may have just made it. */
  readonly isServed: IsKeyServed;
  /** Reads the store again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  close(): void;
};

/** @see createFollowedView */
export async function createKeyDirectory(options: {
  readonly store: Pick<SigningKeyStore, 'list'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<KeyDirectory> {
  const { store, announcer, onError } = options;
  /** Kids of SETs of ours that are in no row; as few as there ever were keys. */
  const missing = new Set<string>();
  const view = await createFollowedView({
    read: async (): Promise<ReadonlyMap<string, SigningKey>> =>
      new Map((await store.list()).map((key) => [key.kid, key])),
    topic: 'keys',
    announcer,
    onError,
  });

  async function lookFor(kid: string): Promise<void> {
    await view.refresh();
    if (!view.current().has(kid)) missing.add(kid);
  }

  return {
    all: () => [...view.current().values()],
    isServed(kid) {
      const key = view.current().get(kid);
      if (key !== undefined) return key.retiredAtMs === undefined;
      if (missing.has(kid)) return false;
      void lookFor(kid).catch(onError);
      return true;
    },
    refresh: view.refresh,
    close: view.close,
  };
}

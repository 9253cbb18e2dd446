import type { Announcer } from '../pipeline/ports.ts';
import type { SigningKey, SigningKeyStore } from './key-ports.ts';
import type { IsKeyServed } from './ports.ts';

/** Announcements that were lost are made up for after so long; a new key waits far longer before it signs. */
const rereadMs = 5_000;

/** This node's view of the signing keys: what signing and publishing read without a query. */
export type KeyDirectory = {
  all(): readonly SigningKey[];
  /** A kid that is not known yet counts as served until a look has shown that there is no such key: another node may have just made it. */
  readonly isServed: IsKeyServed;
  /** Calls back after each reading. */
  onRead(listener: () => void): void;
  /** Reads the store again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  close(): void;
};

/** Loads once before it resolves, then follows `keys`; every `rereadMs` in case an announcement was lost. */
export async function createKeyDirectory(options: {
  readonly store: Pick<SigningKeyStore, 'list'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): Promise<KeyDirectory> {
  let known: ReadonlyMap<string, SigningKey> = new Map();
  /** Kids of SETs of ours that are in no row; as few as there ever were keys. */
  const missing = new Set<string>();
  const listeners: (() => void)[] = [];
  let reads = 0;
  let applied = 0;

  async function refresh(): Promise<void> {
    const read = ++reads;
    const listed = await options.store.list();
    // An older read that arrives late must not undo a newer one.
    if (read < applied) return;
    applied = read;
    known = new Map(listed.map((key) => [key.kid, key]));
    for (const listener of listeners) listener();
  }
  const refreshQuietly = () => void refresh().catch(options.onError);

  async function lookFor(kid: string): Promise<void> {
    await refresh();
    if (!known.has(kid)) missing.add(kid);
  }

  await refresh();
  const unsubscribe = options.announcer.subscribe('keys', refreshQuietly);
  const timer = setInterval(refreshQuietly, rereadMs);
  timer.unref();

  return {
    all: () => [...known.values()],
    isServed(kid) {
      const key = known.get(kid);
      if (key !== undefined) return key.retiredAtMs === undefined;
      if (missing.has(kid)) return false;
      void lookFor(kid).catch(options.onError);
      return true;
    },
    onRead: (listener) => void listeners.push(listener),
    refresh,
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}

import { coalesce } from '../core/coalesce.ts';
import type { Millis, TokenId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { TokenStore } from './ports.ts';

/** Revocations whose announcement was lost are found after so long. */
const lookMs = 5_000;
/** Expiries are looked for this often: a feed outlives its token by less. */
const expiryLookMs = 500;

type Watched = { readonly tokenId: TokenId; readonly expiresAtMs?: Millis };

export type TokenEndings = {
  /**
   * Calls back once when the token is revoked or expires, also when it was by now. The feed is cut by it.
   *
   * @returns a function that ends the watch.
   */
  onTokenEnded(token: Watched, callback: () => void): () => void;
  close(): void;
};

export function createTokenEndings(options: {
  readonly store: Pick<TokenStore, 'ended'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly nowMs: () => Millis;
  readonly onError: (error: unknown) => void;
}): TokenEndings {
  const { store, announcer, nowMs, onError } = options;
  const watches = new Map<TokenId, Set<{ readonly expiresAtMs: Millis; readonly callback: () => void }>>();

  function end(tokenId: TokenId): void {
    const callbacks = watches.get(tokenId) ?? [];
    watches.delete(tokenId);
    for (const { callback } of callbacks) callback();
  }

  const look = coalesce(async () => {
    if (watches.size === 0) return;
    try {
      for (const tokenId of await store.ended([...watches.keys()])) end(tokenId);
    } catch (error) {
      onError(error);
    }
  });

  function endExpired(): void {
    const now = nowMs();
    for (const [tokenId, entries] of watches) {
      if ([...entries].some(({ expiresAtMs }) => expiresAtMs <= now)) end(tokenId);
    }
  }

  const unsubscribe = announcer.subscribe('tokens', () => void look());
  const timers = [setInterval(() => void look(), lookMs), setInterval(endExpired, expiryLookMs)];
  for (const timer of timers) timer.unref();
  return {
    onTokenEnded({ tokenId, expiresAtMs = Infinity }, callback) {
      const entry = { expiresAtMs, callback };
      const entries = watches.get(tokenId) ?? new Set();
      watches.set(tokenId, entries.add(entry));
      void look();
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && watches.get(tokenId) === entries) watches.delete(tokenId);
      };
    },
    close() {
      unsubscribe();
      for (const timer of timers) clearInterval(timer);
      watches.clear();
    },
  };
}

import type { FeedConfiguration, FeedEntry } from '../core/feed.ts';
import type { Millis } from '../core/vocabulary.ts';
import { callOwner, tellNobody } from './callbacks.ts';
import type { FeedClientOptions, FeedState, FeedTroubleCode } from './feed-types.ts';

/** What the client tells its owner, and remembers of it. A callback that throws is told as trouble and stops nothing. */
export type FeedProgress = {
  readonly state: () => FeedState;
  /** Emits the state when something other than the position has changed. */
  readonly update: (changes?: Partial<Pick<FeedState, 'connection' | 'set' | 'divergent'>>) => void;
  readonly configure: (configuration: FeedConfiguration) => void;
  readonly configuration: () => FeedConfiguration | undefined;
  /** By the wall clock, when the hub last confirmed that nothing was missing. */
  confirmedAtMs: Millis | undefined;
  readonly applied: (entries: readonly FeedEntry[]) => void;
  readonly replaced: () => void;
  readonly trouble: (code: FeedTroubleCode, text: string, cause?: unknown) => void;
  readonly ready: (stop?: AbortSignal) => Promise<void>;
};

export function createFeedProgress(options: FeedClientOptions, isFresh: () => boolean): FeedProgress {
  const { cache } = options;
  let told: FeedState = {
    connection: 'connecting',
    set: 'none',
    applied: undefined,
    fresh: false,
    divergent: false,
    entries: 0,
    orphans: 0,
    refused: 0,
  };
  let configuration: FeedConfiguration | undefined;
  const waiting = new Set<() => void>();

  const state = (): FeedState => ({
    ...told,
    applied: told.set === 'none' ? undefined : cache.position,
    fresh: told.connection === 'open' && isFresh(),
    entries: cache.size,
    orphans: cache.orphanCount,
    refused: cache.refusedCount,
  });
  const trouble: FeedProgress['trouble'] = (code, text, cause) =>
    callOwner(() => options.onTrouble?.({ code, text, ...(cause !== undefined && { cause }) }), tellNobody);
  const call = (callback: () => void): void =>
    callOwner(callback, (cause) => trouble('callback', 'a callback of the feed client threw', cause));

  return {
    state,
    update: (changes = {}) => {
      const before = told;
      told = { ...state(), ...changes };
      told = state();
      if (told.set !== 'none') for (const resolve of waiting) resolve();
      const isSame = (['connection', 'set', 'fresh', 'divergent', 'orphans', 'refused'] as const).every(
        (member) => before[member] === told[member],
      );
      if (!isSame) call(() => options.onState?.(told));
    },
    configure: (next) => {
      configuration = next;
      call(() => options.onConfiguration?.(next));
    },
    configuration: () => configuration,
    confirmedAtMs: undefined,
    applied: (entries) => call(() => options.onApplied?.(entries)),
    replaced: () => call(() => options.onReplaced?.()),
    trouble,
    ready: (stop) =>
      new Promise((resolve, reject) => {
        if (told.set !== 'none') return resolve();
        if (stop?.aborted) return reject(stop.reason as Error);
        const done = (): void => {
          waiting.delete(done);
          stop?.removeEventListener('abort', fail);
          resolve();
        };
        const fail = (): void => {
          waiting.delete(done);
          reject(stop?.reason as Error);
        };
        waiting.add(done);
        stop?.addEventListener('abort', fail, { once: true });
      }),
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import type { FeedSession } from './feed-session.ts';
import type { HubTransport } from './feed-transport.ts';
import type { FeedTroubleCode } from './feed-types.ts';
import { backoffMs } from './receipts-pace.ts';
import { type LoadedSnapshot, loadSnapshot } from './snapshot-load.ts';

/** Takes a snapshot beside the stream, again and again until one can be joined with it. One at a time. */
export type FeedLoader = {
  readonly isLoading: () => boolean;
  /** Does nothing while one is on its way. */
  readonly start: () => void;
  readonly abandon: () => void;
};

export type FeedLoaderOptions = {
  readonly transport: HubTransport;
  readonly session: FeedSession;
  readonly compress: boolean;
  readonly onLoaded: (snapshot: LoadedSnapshot) => void;
  readonly onTrouble: (code: FeedTroubleCode, text: string, cause?: unknown) => void;
};

const retryMsMin = 100;
const retryMsMax = 30_000;

export function createFeedLoader(options: FeedLoaderOptions): FeedLoader {
  let running: AbortController | undefined;
  return {
    isLoading: () => running !== undefined,
    start: () => {
      if (running) return;
      const own = new AbortController();
      running = own;
      void loadUntilJoined(options, own.signal).finally(() => {
        if (running === own) running = undefined;
      });
    },
    abandon: () => {
      running?.abort();
      running = undefined;
    },
  };
}

/** Never rejects. */
async function loadUntilJoined(options: FeedLoaderOptions, stop: AbortSignal): Promise<void> {
  for (let failures = 0; !stop.aborted; ) {
    const outcome = await loadOnce(options, stop, failures);
    if (outcome === undefined || stop.aborted) return;
    failures += 1;
    if (failures === 1)
      options.onTrouble('bad-snapshot', 'a snapshot could not be used; another is taken', outcome);
    await delay(backoffMs(failures, retryMsMin, retryMsMax), undefined, { signal: stop }).catch(
      () => undefined,
    );
  }
}

/** What went wrong, or nothing. */
async function loadOnce(options: FeedLoaderOptions, stop: AbortSignal, failures: number): Promise<unknown> {
  const { session, transport } = options;
  session.startLoad();
  try {
    // Whatever may be wrong with packed rows: every other try takes lines.
    const wish = { compress: options.compress, packed: failures % 2 === 0 };
    const snapshot = await loadSnapshot(transport, wish, stop);
    // One with another digest than it says is taken only when the next is no better: to enforce it beats to enforce nothing.
    if (!snapshot.isSound && failures === 0) return new Error('its digest is not the one that it says');
    if (stop.aborted) return undefined;
    const outcome = await session.adopt(snapshot);
    if (outcome !== 'adopted') return new Error(`it cannot be joined with the stream: ${outcome}`);
    options.onLoaded(snapshot);
    return undefined;
  } catch (cause) {
    return cause ?? new Error('unknown');
  }
}

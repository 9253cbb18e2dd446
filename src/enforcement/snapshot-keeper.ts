import type { FeedConfiguration, FeedEntry } from '../core/feed.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { RevocationCache } from './cache.ts';
import { writeSnapshotFile } from './snapshot-file.ts';

/** Keeps the file current without wearing out the disk: seldom, in the background, one writing at a time. */
export type SnapshotKeeper = {
  readonly noteChanges: (entries: readonly FeedEntry[]) => void;
  /** The set, or the configuration, is another one now: what is being written is of no use. */
  readonly noteReplaced: () => void;
  /** Now and then: writes when it is due. */
  readonly tick: () => void;
  /** The last writing. */
  readonly close: () => Promise<void>;
};

export type SnapshotKeeperOptions = {
  readonly path: string;
  readonly hub: string;
  readonly cache: RevocationCache;
  readonly monotonicMs: () => number;
  /** `undefined`: nothing worth keeping is in force, or nothing of it was ever confirmed. */
  readonly current: () =>
    | { readonly configuration: FeedConfiguration; readonly confirmedAtMs: Millis }
    | undefined;
  readonly onFailure: (cause: unknown) => void;
};

const writeEveryMs = 5_000;
/** Writing takes at most one part in so many of the time. */
const idleShare = 20;
/** The file's age counts as staleness at the next start, so it is written again when nothing but the time has changed. */
const renewEveryMs = 60_000;

export function createSnapshotKeeper(options: SnapshotKeeperOptions): SnapshotKeeper {
  const { path, hub, cache, monotonicMs } = options;
  let changed = false;
  let changes: FeedEntry[] = [];
  let replacements = 0;
  let writing: Promise<void> | undefined;
  let nextAt = monotonicMs();
  let savedConfirmedAtMs = Number.NEGATIVE_INFINITY;

  const write = async (): Promise<void> => {
    const current = options.current();
    if (!current) return;
    const [startedAt, replacementsThen] = [monotonicMs(), replacements];
    changed = false;
    changes = [];
    try {
      const isOutdated = () => replacements !== replacementsThen;
      const written = await writeSnapshotFile({ path, hub, cache, ...current, changes, isOutdated });
      if (written) savedConfirmedAtMs = current.confirmedAtMs;
      else changed = true;
    } catch (cause) {
      changed = true;
      options.onFailure(cause);
    }
    const now = monotonicMs();
    nextAt = now + Math.max(writeEveryMs, (now - startedAt) * idleShare);
  };
  const isDue = (renewMs: number): boolean => {
    const current = options.current();
    return current !== undefined && (changed || current.confirmedAtMs - savedConfirmedAtMs > renewMs);
  };

  return {
    noteChanges: (entries) => {
      changed = true;
      if (writing) changes.push(...entries);
    },
    noteReplaced: () => {
      changed = true;
      replacements += 1;
    },
    tick: () => {
      if (writing || monotonicMs() < nextAt || !isDue(renewEveryMs)) return;
      writing = write().finally(() => (writing = undefined));
    },
    close: async () => {
      await writing;
      if (isDue(0)) await write();
    },
  };
}

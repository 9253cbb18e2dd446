import type { Millis, SourceId } from '../core/vocabulary.ts';
import type { HookActivity, HookFailure, HookOutcome, HookStore } from './ports.ts';

const noActivity: HookActivity = { accepted: 0, ignored: 0, failed: 0, refused: 0 };

/** What happened at the hooks of this node and is not written yet: a flood of requests is one write. */
export type HookActivities = {
  readonly note: (id: SourceId, outcome: HookOutcome, atMs: Millis) => void;
  readonly noteFailure: (id: SourceId, failure: HookFailure) => void;
  /** Writes what was noted; a failure keeps it for the next time and rejects. */
  flush(): Promise<void>;
};

export function createHookActivities(store: Pick<HookStore, 'addActivity'>): HookActivities {
  let noted = new Map<SourceId, HookActivity>();
  const change = (id: SourceId, make: (before: HookActivity) => HookActivity): void => {
    noted.set(id, make(noted.get(id) ?? noActivity));
  };
  return {
    note: (id, outcome, atMs) =>
      change(id, (before) => ({
        ...before,
        [outcome]: before[outcome] + 1,
        ...(outcome === 'accepted' ? { lastAcceptedAtMs: atMs } : {}),
      })),
    noteFailure: (id, lastFailure) => change(id, (before) => ({ ...before, lastFailure })),
    async flush() {
      if (noted.size === 0) return;
      const writing = noted;
      noted = new Map();
      try {
        await store.addActivity(writing);
      } catch (error) {
        for (const [id, before] of writing) change(id, (since) => sumOf(before, since));
        throw error;
      }
    },
  };
}

const sumOf = (before: HookActivity, since: HookActivity): HookActivity => ({
  ...before,
  ...since,
  accepted: before.accepted + since.accepted,
  ignored: before.ignored + since.ignored,
  failed: before.failed + since.failed,
  refused: before.refused + since.refused,
});

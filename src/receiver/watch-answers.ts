import type { SetErrorCode } from '../core/received-set.ts';
import type { Millis, UpstreamId } from '../core/vocabulary.ts';
import type { Upstream, UpstreamStore } from './ports.ts';
import type { SetAnswer } from './set-ports.ts';

/** So many SETs of one upstream that are refused within a minute are for a person to look at. */
const waveRefusals = 20;
const minuteMs = 60_000;
/** When the last SET came is written down this often: a flood of SETs is no flood of updates. */
const noteEveryMs = 1_000;

type Seen = { notedAtMs: Millis; minute: number; refused: number };

/** Counts what is answered, and tells of what a person should see. */
export function createAnswerWatch(options: {
  readonly store: Pick<UpstreamStore, 'noteSet'>;
  readonly nowMs: () => Millis;
  readonly count: (outcome: string) => void;
  readonly noteRefusal: (upstream: Upstream, err: SetErrorCode) => void;
  /** Once a minute and upstream. */
  readonly onWave: (upstream: Upstream, err: SetErrorCode) => void;
  readonly onError: (error: unknown) => void;
}): {
  readonly answered: (upstream: Upstream, answer: SetAnswer) => void;
  readonly refused: (upstream: Upstream, err: SetErrorCode) => void;
  /** Forgets all others. */
  readonly keep: (upstreams: readonly Upstream[]) => void;
} {
  const { store, nowMs, count, noteRefusal, onWave, onError } = options;
  const seen = new Map<UpstreamId, Seen>();

  function seenOf({ id }: Upstream): Seen {
    const known = seen.get(id) ?? { notedAtMs: 0, minute: 0, refused: 0 };
    seen.set(id, known);
    return known;
  }

  function refused(upstream: Upstream, err: SetErrorCode): void {
    count(err);
    noteRefusal(upstream, err);
    const one = seenOf(upstream);
    const minute = Math.floor(nowMs() / minuteMs);
    one.refused = one.minute === minute ? one.refused + 1 : 1;
    one.minute = minute;
    if (one.refused === waveRefusals) onWave(upstream, err);
  }

  return {
    refused,
    answered(upstream, answer) {
      if (answer.kind === 'rejected') return refused(upstream, answer.err);
      count(answer.outcome);
      const one = seenOf(upstream);
      const now = nowMs();
      if (now - one.notedAtMs < noteEveryMs) return undefined;
      one.notedAtMs = now;
      void store.noteSet(upstream.name, now).catch(onError);
      return undefined;
    },
    keep(upstreams) {
      const kept = new Set(upstreams.map(({ id }) => id));
      for (const id of seen.keys()) if (!kept.has(id)) seen.delete(id);
    },
  };
}

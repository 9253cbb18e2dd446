import type { Clock } from './feed-types.ts';

/** How far a pause of the process, or the wall clock against the monotonic one, may go before nothing buffered is believed. */
const disturbanceMs = 2_000;
/** How often `check` is called while the process runs. */
export const checkEveryMs = 500;
/** So many heartbeats may be missed before the set no longer counts as fresh. */
const heartbeatsMissedMax = 3;

export type Disturbance = 'paused' | 'clock-jump';

/**
 * How old the knowledge of this process is, on its own monotonic clock. Being connected proves nothing: only a
 * heartbeat that names everything applied here does, and only if neither the process nor its clocks stood still since.
 *
 * @see DESIGN §6
 */
export type Staleness = {
  /** Now everything that the hub knows is in force. */
  readonly confirm: () => void;
  /** The set came from disk and is so old already. */
  readonly startFrom: (ageMs: number) => void;
  /** Called every `checkEveryMs` and before a heartbeat is believed. What it names makes stale until the next `confirm`. */
  readonly check: () => Disturbance | undefined;
  readonly staleMs: () => number;
  readonly isFresh: (heartbeatMs: number) => boolean;
};

export function createStaleness({ nowMs, monotonicMs }: Clock): Staleness {
  let confirmedAt = monotonicMs();
  let ageThen = 0;
  let isTrusted = false;
  let checkedAt = monotonicMs();
  let checkedAtWall = nowMs();
  const staleMs = () => monotonicMs() - confirmedAt + ageThen;

  return {
    confirm: () => {
      confirmedAt = monotonicMs();
      ageThen = 0;
      isTrusted = true;
    },
    startFrom: (ageMs) => {
      confirmedAt = monotonicMs();
      ageThen = ageMs;
    },
    check: () => {
      const elapsed = monotonicMs() - checkedAt;
      const drift = Math.abs(nowMs() - checkedAtWall - elapsed);
      checkedAt = monotonicMs();
      checkedAtWall = nowMs();
      const paused = elapsed > checkEveryMs + disturbanceMs;
      const jumped = drift > disturbanceMs;
      if (!paused && !jumped) return undefined;
      isTrusted = false;
      // A machine that slept shows only on the wall clock: the time may have passed without news.
      if (jumped) ageThen += drift;
      return paused ? 'paused' : 'clock-jump';
    },
    staleMs,
    isFresh: (heartbeatMs) => isTrusted && staleMs() <= heartbeatsMissedMax * heartbeatMs,
  };
}

import { hash } from 'node:crypto';
import type { Seconds } from '../core/vocabulary.ts';
import type { Clock } from './feed-types.ts';

/**
 * Which proofs were used before, in this process: `local`. Replicas do not see each other's; nonces narrow that gap.
 *
 * @see RFC 9449 §11.1
 */
export type ReplayMemory = {
  readonly kind: 'local';
  /**
   * Remembers the proof. `replayed`: it was used before, or may have been. `full`: it could not be remembered, and the
   * proof must not be accepted; nothing is forgotten to make room.
   */
  readonly remember: (proof: UsedProof) => 'new' | 'replayed' | 'full';
  readonly size: number;
};

export type UsedProof = { readonly jkt: string; readonly jti: string; readonly iat: Seconds };

/** Per set, of which there are two. At about 100 bytes each this is 100 MB at the worst; one process verifies fewer in the time. */
export const proofsRememberedMax = 1_000_000;

/**
 * Two sets in turn, each filled for `spanMs`: what is remembered stays so for at least `spanMs`, at most twice as long,
 * and forgetting costs nothing. `spanMs` must cover the whole time in which one proof is acceptable, and `driftMs`.
 *
 * What is acceptable is told by the wall clock, what is remembered by the monotonic one. When the former is set back by
 * more than `driftMs` against the latter, proofs that were forgotten would be acceptable once more: so from then on none
 * is accepted that is as old as any before.
 */
export function createReplayMemory(options: {
  readonly clock: Clock;
  readonly spanMs: number;
  readonly driftMs: number;
  readonly proofsMax: number;
}): ReplayMemory {
  const { clock, spanMs, driftMs, proofsMax } = options;
  let current = new Set<string>();
  let previous = new Set<string>();
  let turnedAtMs = clock.monotonicMs();
  let newestIat = Number.NEGATIVE_INFINITY;
  let refusedUpTo = Number.NEGATIVE_INFINITY;
  const leadMs = (): number => clock.nowMs() - clock.monotonicMs();
  let furthestLeadMs = leadMs();

  function lookAtClocks(): void {
    const lead = leadMs();
    if (lead < furthestLeadMs - driftMs) {
      refusedUpTo = newestIat;
      furthestLeadMs = lead;
    }
    furthestLeadMs = Math.max(furthestLeadMs, lead);
  }

  function turn(): void {
    const elapsedMs = clock.monotonicMs() - turnedAtMs;
    if (elapsedMs < spanMs) return;
    previous = elapsedMs < 2 * spanMs ? current : new Set();
    current = new Set();
    turnedAtMs = clock.monotonicMs();
  }

  return {
    kind: 'local',
    remember({ jkt, jti, iat }) {
      lookAtClocks();
      if (iat <= refusedUpTo) return 'replayed';
      turn();
      // Hashed: a client chooses `jti`, and neither its length nor its bytes shall matter here.
      const key = hash('sha256', `${jkt}\n${jti}`, 'base64url');
      if (current.has(key) || previous.has(key)) return 'replayed';
      if (current.size >= proofsMax) return 'full';
      current.add(key);
      newestIat = Math.max(newestIat, iat);
      return 'new';
    },
    get size() {
      return current.size + previous.size;
    },
  };
}

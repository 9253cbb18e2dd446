import { hash } from 'node:crypto';
import type { Clock } from './feed-types.ts';

/**
 * Which proofs were used before, in this process: `local`. Replicas do not see each other's; nonces narrow that gap.
 *
 * @see RFC 9449 §11.1
 */
export type ReplayMemory = {
  readonly kind: 'local';
  /** Remembers the proof. `full`: it could not be, and the proof must not be accepted; nothing is forgotten to make room. */
  readonly remember: (jkt: string, jti: string) => 'new' | 'replayed' | 'full';
  readonly size: number;
};

/** Per set, of which there are two. At about 100 bytes each this is 100 MB at the worst; one process verifies fewer in the time. */
export const proofsRememberedMax = 1_000_000;

/**
 * Two sets in turn, each filled for `spanMs`: what is remembered stays so for at least `spanMs`, at most twice as long,
 * and forgetting costs nothing. `spanMs` must cover the whole time in which one proof is acceptable.
 */
export function createReplayMemory(options: {
  readonly clock: Clock;
  readonly spanMs: number;
  readonly proofsMax: number;
}): ReplayMemory {
  const { clock, spanMs, proofsMax } = options;
  let current = new Set<string>();
  let previous = new Set<string>();
  let turnedAtMs = clock.monotonicMs();

  function turn(): void {
    const elapsedMs = clock.monotonicMs() - turnedAtMs;
    if (elapsedMs < spanMs) return;
    previous = elapsedMs < 2 * spanMs ? current : new Set();
    current = new Set();
    turnedAtMs = clock.monotonicMs();
  }

  return {
    kind: 'local',
    remember(jkt, jti) {
      turn();
      // Hashed: a client chooses `jti`, and neither its length nor its bytes shall matter here.
      const key = hash('sha256', `${jkt}\n${jti}`, 'base64url');
      if (current.has(key) || previous.has(key)) return 'replayed';
      if (current.size >= proofsMax) return 'full';
      current.add(key);
      return 'new';
    },
    get size() {
      return current.size + previous.size;
    },
  };
}

import { LRUCache } from 'lru-cache';
import type { Seconds } from '../core/vocabulary.ts';
import type { Clock } from './feed-types.ts';

/** Token buckets, one for each revocation that restricts a rate. */
export type Rates = {
  /** Takes one request out of the bucket; else the seconds until there is one again. */
  readonly take: (id: string, perMinute: number) => 'taken' | Seconds;
};

const bucketsMax = 10_000;

/** A minute's worth may come at once, then they come evenly. Each of `replicas` processes lets through its share. */
export function createRates({
  clock,
  replicas,
}: {
  readonly clock: Clock;
  readonly replicas: number;
}): Rates {
  const buckets = new LRUCache<string, { left: number; atMs: number }>({ max: bucketsMax });
  return {
    take(id, perMinute) {
      const share = perMinute / replicas;
      const most = Math.max(1, share);
      const nowMs = clock.monotonicMs();
      const bucket = buckets.get(id) ?? { left: most, atMs: nowMs };
      const left = Math.min(most, bucket.left + ((nowMs - bucket.atMs) * share) / 60_000);
      buckets.set(id, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
      return left >= 1 ? 'taken' : ((1 - left) * 60) / share;
    },
  };
}

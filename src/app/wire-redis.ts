import type { RedisServer } from '../adapters/redis/connections.ts';
import type { Hub } from './platform.ts';

const notice =
  'Redis is away. Nothing is lost: nodes look for news by themselves, within seconds, and do scheduled work by themselves.';

/** That Redis is away is a notice and a number, and no reason to send requests elsewhere. */
export function wireRedis({ redis, parts, metrics }: Hub): void {
  if (redis === undefined) return;
  parts.set('Redis', () => (redis.isAway() ? { notices: [notice] } : {}));
  metrics.gauge('caep_hub_redis_away', () => [{ value: redis.isAway() ? 1 : 0 }]);
  countAbsences(redis, metrics);
}

function countAbsences(redis: RedisServer, metrics: Hub['metrics']): void {
  const count = (isAway: boolean): void => {
    if (isAway) metrics.alerted('redis-away');
  };
  count(redis.isAway());
  redis.onChange(count);
}

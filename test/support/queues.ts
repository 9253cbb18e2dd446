import { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import type { QueuePlace } from '../../src/adapters/bullmq/scheduler.ts';
import type { RedisServer } from '../../src/adapters/redis/connections.ts';
import { forEachDatabase } from './databases.ts';
import { connectTo, withRedis } from './redis-server.ts';

export type QueueFixture = {
  readonly place: QueuePlace;
  /** The jobs there are, waiting, done or failed. */
  jobs(): Promise<readonly string[]>;
  /** As a restart of the process does. */
  reopen(): Promise<void>;
};

/** Runs a contract suite with the queue in each place there is. */
export function forEachQueue(name: string, suite: (fixture: QueueFixture) => void): void {
  forEachDatabase(name, (fixture) =>
    suite({
      get place() {
        return { database: fixture.database };
      },
      async jobs() {
        const { rows } = await fixture.database.pool.query<{ id: string }>('SELECT id FROM bullmq.job');
        return rows.map(({ id }) => id);
      },
      reopen: fixture.reopen,
    }),
  );
  withRedis(name, (redis) => {
    let node: RedisServer;
    beforeAll(async () => {
      node = await connectTo(redis);
    });
    afterAll(() => node.close());
    suite({
      get place() {
        return { redis: node };
      },
      async jobs() {
        const client = new Redis(redis.url);
        const keys = await client.keys(`${node.namespace}:hub:*`);
        const types = await Promise.all(keys.map(async (key) => [key, await client.type(key)] as const));
        client.disconnect();
        const notJobs = /:(meta|metrics:.*|repeat:[^:]*)$/;
        return types.filter(([key, type]) => type === 'hash' && !notJobs.test(key)).map(([key]) => key);
      },
      async reopen() {
        node.close();
        node = await connectTo(redis);
      },
    });
  });
}

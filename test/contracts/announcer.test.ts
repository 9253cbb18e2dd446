import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAnnouncer } from '../../src/adapters/postgres/announcer.ts';
import { openDatabase, type Database } from '../../src/adapters/postgres/database.ts';
import { createRedisAnnouncer } from '../../src/adapters/redis/announcer.ts';
import type { RedisServer } from '../../src/adapters/redis/connections.ts';
import { topics, type Announcer, type Topic } from '../../src/pipeline/ports.ts';
import { type DatabaseFixture, forEachDatabase, onlyOnServer } from '../support/databases.ts';
import { type ARedis, connectTo, withRedis } from '../support/redis-server.ts';

const within = { timeout: 20_000, interval: 10 };
/** For what must not happen: long enough that it would have. */
const quietMs = 200;

type ANode = Announcer & { close(): void };

/** Which topics it was told of, in order. */
function earsOf(node: Announcer): Topic[] {
  const heard: Topic[] = [];
  for (const topic of topics) node.subscribe(topic, () => heard.push(topic));
  return heard;
}

/** Told of everything, as one is that may have missed something; what came before is forgotten. */
async function toldOfAll(heard: Topic[]): Promise<void> {
  await vi.waitFor(() => expect(new Set(heard)).toEqual(new Set(topics)), within);
  heard.length = 0;
}

/** What holds on one node, with others or without. */
function onOneNode(open: () => Promise<ANode>): void {
  test('whoever is on the same node is told before `announce` returns, and only of that topic', async () => {
    const node = await open();
    const heard = earsOf(node);
    node.announce('feed');
    node.announce('tokens');
    expect(heard).toEqual(['feed', 'tokens']);
  });

  test('a subscription ends when it is ended, and no other with it', async () => {
    const node = await open();
    const heard: string[] = [];
    const end = node.subscribe('feed', () => heard.push('first'));
    node.subscribe('feed', () => heard.push('second'));
    end();
    node.announce('feed');
    expect(heard).toEqual(['second']);
  });
}

/** What holds between nodes. `disturb` breaks their connections and lets them come back. */
function betweenNodes(options: {
  readonly open: () => Promise<ANode>;
  readonly disturb: () => Promise<void>;
  /** Everything that is sent while `work` runs. */
  readonly overhear: (work: () => Promise<void>) => Promise<readonly string[]>;
}): void {
  const pair = async () => {
    const here = await options.open();
    const there = await options.open();
    const heard = earsOf(there);
    await toldOfAll(heard);
    return { here, there, heard };
  };

  test('who begins to listen is told of every topic once it hears', async () => {
    const heard = earsOf(await options.open());
    await vi.waitFor(() => expect(heard).toEqual([...topics]), within);
  });

  test.each(topics)('%s announced on one node reaches the other', async (topic) => {
    const { here, heard } = await pair();
    here.announce(topic);
    await vi.waitUntil(() => heard.length > 0, within);
    await delay(quietMs);
    expect(heard).toEqual([topic]);
  });

  test('many announcements of one topic become few, and the last is not lost', async () => {
    const { here, heard } = await pair();
    for (let count = 0; count < 1_000; count++) here.announce('feed');
    here.announce('receipts');
    await vi.waitUntil(() => heard.includes('receipts') && heard.includes('feed'), within);
    await delay(quietMs);
    expect(heard.length).toBeLessThan(10);
  });

  test('who lost the connection is told of every topic when it is back, and then hears again', async () => {
    const { here, heard } = await pair();
    await options.disturb();
    await toldOfAll(heard);
    await vi.waitFor(() => {
      here.announce('keys');
      expect(heard).toContain('keys');
    }, within);
  });

  test('a closed announcer hears nothing any more', async () => {
    const { here, there, heard } = await pair();
    const other = earsOf(await options.open());
    await toldOfAll(other);
    there.close();
    here.announce('feed');
    await vi.waitUntil(() => other.includes('feed'), within);
    await delay(quietMs);
    expect(heard).toEqual([]);
  });

  test('DESIGN §14.4: what is sent is a node and a topic, no data', async () => {
    const { here, heard } = await pair();
    const sent = await options.overhear(async () => {
      topics.forEach((topic) => here.announce(topic));
      await vi.waitUntil(() => heard.length >= topics.length, within);
    });
    expect(new Set(sent.map((message) => message.split(' ')[1]))).toEqual(new Set(topics));
    for (const message of sent) expect(message).toMatch(/^[0-9a-f-]{36} [a-z]+$/);
  });
}

const onPostgres = (database: Database): ANode => {
  const node = createAnnouncer({ database, onError: () => undefined });
  onTestFinished(() => node.close());
  return node;
};

forEachDatabase('announcer', (fixture) => {
  onOneNode(async () => onPostgres(fixture.database));
});

onlyOnServer('announcer between nodes', (fixture: DatabaseFixture) => {
  const anotherNode = async () => {
    const database = await openDatabase(fixture.options);
    onTestFinished(() => database.close());
    return onPostgres(database);
  };
  betweenNodes({
    open: anotherNode,
    async disturb() {
      await fixture.database.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'caep-hub listener' AND datname = current_database()`,
      );
    },
    async overhear(work) {
      const messages: string[] = [];
      const client = await fixture.database.pool.connect();
      client.on('notification', ({ payload }) => messages.push(payload ?? ''));
      await client.query('LISTEN caep_hub');
      await work();
      await vi.waitUntil(() => messages.length >= topics.length, within);
      client.release(true);
      return messages;
    },
  });
});

withRedis('announcer', (redis) => {
  type RedisNode = ANode & { readonly errors: readonly unknown[]; readonly server: RedisServer };
  const onRedis = async (identity?: string): Promise<RedisNode> => {
    const server = await connectTo(redis, identity);
    const errors: unknown[] = [];
    const node = createRedisAnnouncer({ redis: server, onError: (error) => errors.push(error) });
    onTestFinished(() => {
      node.close();
      server.close();
    });
    return { ...node, errors, server };
  };
  const restart = async () => {
    await redis.kill();
    await redis.start();
  };

  onOneNode(onRedis);
  betweenNodes({ open: () => onRedis(), disturb: restart, overhear: (work) => overhear(redis, work) });

  describe('while Redis is away', () => {
    test('announcing neither throws nor waits, and the others are told when it is back', async () => {
      const [here, there] = [await onRedis(), await onRedis()];
      await redis.kill();
      const [mine, others] = [earsOf(here), earsOf(there)];
      for (const topic of topics) here.announce(topic);
      expect(mine).toEqual(topics);
      await redis.start();
      await toldOfAll(others);
      expect(here.errors).toEqual([]);
    });

    test('a connection that ends just then is no error to tell of', async () => {
      const [here, there] = [await onRedis(), await onRedis()];
      const heard = earsOf(there);
      await toldOfAll(heard);
      here.server.commands.stream.destroy();
      here.announce('feed');
      await vi.waitUntil(() => heard.includes('feed'), within);
      expect(here.errors).toEqual([]);
    });

    test('whom one node alone could not tell, it tells when it can', async () => {
      const [here, there] = [await onRedis(), await onRedis()];
      const heard = earsOf(there);
      await toldOfAll(heard);
      here.server.commands.disconnect();
      await vi.waitUntil(here.server.isAway, within);
      here.announce('tokens');
      here.announce('keys');
      await delay(quietMs);
      expect(heard).toEqual([]);
      await here.server.commands.connect();
      await vi.waitUntil(() => heard.length === 2, within);
      expect(new Set(heard)).toEqual(new Set(['tokens', 'keys']));
    });

    test('it starts, and takes hold when Redis comes', async () => {
      await redis.kill();
      const heard = earsOf(await onRedis());
      await redis.start();
      await vi.waitFor(() => expect(heard).toEqual([...topics]), within);
    });
  });

  test('a Redis that does not answer keeps nobody waiting, and is heard again when it does', async () => {
    const [here, there] = [await onRedis(), await onRedis()];
    const heard = earsOf(there);
    await toldOfAll(heard);
    redis.freeze();
    here.announce('feed');
    await delay(quietMs);
    redis.thaw();
    await vi.waitFor(() => {
      here.announce('feed');
      expect(heard).toContain('feed');
    }, within);
  });

  test('two hubs at one Redis do not hear each other', async () => {
    const [here, there] = [await onRedis(), await onRedis()];
    const [heard, stranger] = [earsOf(there), earsOf(await onRedis('another'))];
    await Promise.all([toldOfAll(heard), toldOfAll(stranger)]);
    here.announce('feed');
    await vi.waitUntil(() => heard.includes('feed'), within);
    await delay(quietMs);
    expect(stranger).toEqual([]);
  });

  test('what strangers publish on its channel wakes nobody unless it names a topic', async () => {
    const heard = earsOf(await onRedis());
    await toldOfAll(heard);
    const client = new Redis(redis.url);
    for (const message of ['', 'x', 'x nothing', `x ${'y'.repeat(10_000)}`, 'x feed and more']) {
      await client.publish('caep-hub:suite:wake-ups', message);
    }
    client.disconnect();
    await vi.waitUntil(() => heard.length > 0, within);
    expect(heard).toEqual(['feed']);
  });
});

async function overhear({ url }: ARedis, work: () => Promise<void>): Promise<readonly string[]> {
  const messages: string[] = [];
  const client = new Redis(url);
  client.on('pmessage', (_pattern, _channel, message) => messages.push(message));
  await client.psubscribe('*');
  await work();
  await vi.waitUntil(() => messages.length >= topics.length, within);
  client.disconnect();
  return messages;
}

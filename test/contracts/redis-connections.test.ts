import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { openRedis } from '../../src/adapters/redis/connections.ts';
import { withRedis } from '../support/redis-server.ts';

const within = { timeout: 20_000, interval: 10 };

withRedis('connections', (redis) => {
  type Change = 'back' | Error;

  async function connected(password?: string) {
    const changes: Change[] = [];
    const url = password === undefined ? redis.url : redis.url.replace('//', `//:${password}@`);
    const server = await openRedis({
      url,
      identity: 'suite',
      onChange: (reason) => changes.push(reason ?? 'back'),
    });
    onTestFinished(server.close);
    return { server, changes };
  }
  const shapeOf = (changes: readonly Change[]) =>
    changes.map((change) => (change === 'back' ? change : 'away'));

  afterEach(async () => {
    redis.thaw();
    await redis.kill();
    await redis.start();
  });

  test('that Redis is away is told once, however often it is tried, and so is that it is back', async () => {
    const { server, changes } = await connected();
    expect([server.isAway(), changes]).toEqual([false, []]);
    for (const times of [1, 2]) {
      await redis.kill();
      await vi.waitUntil(server.isAway, within);
      await expect(server.commands.ping()).rejects.toThrow(/writeable/);
      await redis.start();
      await vi.waitUntil(() => !server.isAway(), within);
      expect(shapeOf(changes)).toEqual(Array.from({ length: times }, () => ['away', 'back']).flat());
    }
  });

  test('it opens though Redis is away, and says so once', async () => {
    await redis.kill();
    const { server, changes } = await connected();
    expect([server.isAway(), shapeOf(changes)]).toEqual([true, ['away']]);
    expect(String(changes[0])).toContain('ECONNREFUSED');
    await redis.start();
    await vi.waitUntil(() => !server.isAway(), within);
    expect(shapeOf(changes)).toEqual(['away', 'back']);
  });

  test('a Redis that takes connections and answers nothing is away, and is back when it answers', async () => {
    const { server, changes } = await connected();
    redis.freeze();
    await vi.waitUntil(server.isAway, within);
    redis.thaw();
    await vi.waitUntil(() => !server.isAway(), within);
    expect(shapeOf(changes)).toEqual(['away', 'back']);
  });

  test('what waits goes on when Redis is back, and ends when it is closed', async () => {
    const { server } = await connected();
    const waiting = server.open('blocking');
    const copy = waiting.client.duplicate();
    await copy.set('before', 1);
    await redis.kill();
    const answer = copy.set('after', 1);
    await redis.start();
    expect(await answer).toBe('OK');
    expect(waiting.client.status).toBe('wait');
    waiting.close();
    await vi.waitUntil(() => copy.status === 'end', within);
  });

  test('no password is in what it tells', async () => {
    const admin = new Redis(redis.url);
    await admin.config('SET', 'requirepass', 'hunter2');
    admin.disconnect();
    const { server: right } = await connected('hunter2');
    expect(await right.commands.ping()).toBe('PONG');
    const { server: wrong, changes } = await connected('hunter3');
    await vi.waitUntil(() => changes.length > 0, within);
    expect(wrong.isAway()).toBe(true);
    expect(String(changes[0])).toContain('WRONGPASS');
    expect(inspect(changes, { depth: 9, showHidden: true })).not.toContain('hunter');
  });
});

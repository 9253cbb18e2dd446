import { describe, expect, it } from 'vitest';
import { packedSnapshotType } from '../../../src/core/feed.ts';
import { aPoint, aServer, denies, idOf, killOf, untilTrue } from './harness.ts';

/** Points at a time. */
const abreast = 32;

async function forEachOffset(bytes: number, run: (offset: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < bytes) {
      next += 1;
      await run(next - 1);
    }
  };
  await Promise.all(Array.from({ length: abreast }, worker));
}

/** Three entries from before, one of which stays as it is, and a session of a put, a merge and a lift. */
async function aRecordedSession() {
  const server = await aServer();
  for (const number of [1, 2, 3]) server.put(killOf(number));
  server.startAt = 3;
  server.put(killOf(4, { reason: 'ünïcödé' }));
  server.put(killOf(2, { reason: 'moved' }));
  server.remove('lift', idOf(1));
  return server;
}

async function lengthOf(url: string, path: string): Promise<number> {
  const stop = new AbortController();
  const response = await fetch(url + path, { signal: stop.signal, headers: { accept: packedSnapshotType } });
  let length = 0;
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    length += chunk.length;
    if (text.includes('event: heartbeat') && text.endsWith('\n\n')) break;
  }
  stop.abort();
  return length;
}

describe('DESIGN §6: a session cut at any byte ends in the same state', () => {
  it.each([
    ['/v1/feed', true],
    ['/v1/feed/snapshot', true],
    ['/v1/feed/snapshot', false],
  ])(
    'the first answer of %s, at every offset; packed: %s',
    async (path, packs) => {
      const server = await aRecordedSession();
      server.packs = packs;
      const bytes = await lengthOf(server.url, path);
      expect(bytes).toBeGreaterThan(300);
      const { digest } = server;
      const cutOnce = new Set<string>();
      server.cut = (request) => {
        const key = request.path + request.point;
        if (request.path !== path || !request.point.startsWith('cut/') || cutOnce.has(key)) return undefined;
        cutOnce.add(key);
        return Number(request.point.slice(4));
      };
      const wrong: number[] = [];
      await forEachOffset(bytes, async (offset) => {
        const point = aPoint(server, { point: `cut/${offset}` });
        await point.client.ready();
        await untilTrue(() => point.cache.position?.seq === 6);
        const denied = [1, 2, 3, 4].filter((number) => denies(point, number));
        if (denied.join() !== '2,3,4' || point.cache.digest() !== digest) wrong.push(offset);
        await point.client.close();
      });
      expect(cutOnce.size).toBe(bytes);
      expect(wrong).toEqual([]);
    },
    120_000,
  );
});

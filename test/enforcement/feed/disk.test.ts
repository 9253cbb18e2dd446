import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeedEntry } from '../../../src/core/feed.ts';
import { createRevocationCache, type RevocationCache } from '../../../src/enforcement/cache.ts';
import { readSnapshotFile, writeSnapshotFile } from '../../../src/enforcement/snapshot-file.ts';
import { anEntry } from '../cache/entries.ts';
import { aClock, aPoint, aServer, denies, idOf, killOf, untilTrue } from './harness.ts';

let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caep-feed-'));
  file = join(folder, 'set.ndjson');
});
afterEach(() => rm(folder, { recursive: true }));

/** Has followed a hub with entries 1 and 2, written its file, and ended. */
async function aRestartedPoint() {
  const server = await aServer();
  server.put(killOf(1));
  server.put(killOf(2));
  const clock = aClock();
  const first = aPoint(server, { snapshotFile: file, clock });
  await first.client.ready();
  server.beat();
  await untilTrue(() => first.client.state().fresh);
  await first.client.close();
  return { server, clock };
}

describe('DESIGN §6: a cold start without the hub', () => {
  it('enforces what is on disk, counts its age as staleness, and is its owner’s alone', async () => {
    const { server, clock } = await aRestartedPoint();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['set.ndjson']);
    server.refuse = { feed: 503, snapshot: 503, receipts: 503 };
    clock.pass(90_000);
    const point = aPoint(server, { snapshotFile: file, clock });
    await point.client.ready();
    expect(point.client.state()).toMatchObject({ set: 'disk', fresh: false, entries: 2 });
    expect([denies(point, 1), denies(point, 2), denies(point, 3)]).toEqual([true, true, false]);
    expect(point.client.staleMs()).toBe(90_000);
    expect(point.replaced).toBe(1);
  });

  it('resumes from the place in the file when the hub is there, without a snapshot', async () => {
    const { server, clock } = await aRestartedPoint();
    server.remove('lift', idOf(1));
    server.put(killOf(3));
    const before = server.requests.length;
    const point = aPoint(server, { snapshotFile: file, clock });
    await untilTrue(() => point.client.state().fresh);
    expect(point.client.state().set).toBe('hub');
    expect([1, 2, 3].map((number) => denies(point, number))).toEqual([false, true, true]);
    expect(point.cache.digest()).toBe(server.digest);
    const later = server.requests.slice(before).filter(({ path }) => path.startsWith('/v1/feed'));
    expect(later).toMatchObject([{ path: '/v1/feed', from: '7f3a9c01-2-0011223344556677' }]);
  });

  it('knows of no time at which a file from the future was confirmed', async () => {
    const { server, clock } = await aRestartedPoint();
    server.refuse = { feed: 503, snapshot: 503, receipts: 503 };
    clock.jumpWall(-3_600_000);
    const point = aPoint(server, { snapshotFile: file, clock });
    await point.client.ready();
    expect(point.client.staleMs()).toBe(Number.POSITIVE_INFINITY);
    expect(denies(point, 1)).toBe(true);
  });

  it.each<[string, (text: string) => string]>([
    ['cut short', (text) => text.slice(0, -20)],
    ['cut after a line', (text) => text.slice(0, text.indexOf('\n') + 1)],
    ['without an entry', (text) => text.split('\n').toSpliced(1, 1).join('\n')],
    ['with another value', (text) => text.replace('agent-1', 'agent-7')],
    ['with another place', (text) => text.replace('"cursor":"7f3a9c01-2', '"cursor":"zzz')],
    ['of another version', (text) => text.replace('{"v":1', '{"v":9')],
    ['of another hub', (text) => text.replace('"hub":"http', '"hub":"https')],
    ['that goes on', (text) => `${text}{}\n`],
    ['that is empty', () => ''],
    ['that is something else', () => 'hello\nworld\n'],
  ])('passes over a file %s, says so, and takes the snapshot', async (_what, spoil) => {
    const { server, clock } = await aRestartedPoint();
    await writeFile(file, spoil(await readFile(file, 'utf8')));
    const point = aPoint(server, { snapshotFile: file, clock });
    await point.client.ready();
    expect(point.troubles.map(({ code }) => code)).toEqual(['disk']);
    expect(point.client.state().set).toBe('hub');
    expect(point.cache.digest()).toBe(server.digest);
  });

  it('keeps orphans over a restart', async () => {
    const { server, clock } = await aRestartedPoint();
    server.newEpoch('beef0001', []);
    const second = aPoint(server, { snapshotFile: file, clock });
    await untilTrue(() => second.client.state().orphans === 2);
    server.beat();
    await untilTrue(() => second.client.state().fresh);
    await second.client.close();
    const third = aPoint(server, { snapshotFile: file, clock });
    await third.client.ready();
    expect(third.client.state().orphans).toBe(2);
    expect([denies(third, 1), denies(third, 2)]).toEqual([true, true]);
  });

  it('goes on without its file when it cannot be written', async () => {
    const server = await aServer();
    server.put(killOf(1));
    const point = aPoint(server, { snapshotFile: join(folder, 'nowhere', 'set.ndjson') });
    await point.client.ready();
    server.beat();
    await untilTrue(() => point.troubles.some(({ code }) => code === 'disk'));
    expect(denies(point, 1)).toBe(true);
  });
});

describe('files beside the file', () => {
  const write = (cache: RevocationCache) =>
    writeSnapshotFile({
      path: file,
      hub: 'https://hub.example',
      cache,
      configuration: { issuers: [] },
      confirmedAtMs: 7,
      changes: [],
      isOutdated: () => false,
    });

  it('two that write at once, in containers with the same process id, do not write into each other’s', async () => {
    const caches = [1_500, 2_000].map((count) => {
      const cache = createRevocationCache();
      for (let number = 1; number <= count; number += 1)
        cache.apply(anEntry({ ...killOf(number), position: `7f3a-${number}` }));
      cache.position = { epoch: '7f3a', seq: count };
      return cache;
    });
    expect(await Promise.all(caches.map(write))).toEqual([true, true]);
    const saved = await readSnapshotFile(file, 'https://hub.example');
    expect([1_500, 2_000]).toContain(saved?.cache.size);
    expect(await readdir(folder)).toEqual(['set.ndjson']);
  });

  it('that a killed process left are removed at the next start, and nothing else', async () => {
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const name of ['set.ndjson.a.new', 'other.a.new', 'set.ndjson.bak']) {
      await writeFile(join(folder, name), 'x');
      await utimes(join(folder, name), old, old);
    }
    await writeFile(join(folder, 'set.ndjson.b.new'), 'another process is at it');
    const point = aPoint(await aServer(), { snapshotFile: file });
    await point.client.ready();
    expect((await readdir(folder)).toSorted()).toEqual(['other.a.new', 'set.ndjson.b.new', 'set.ndjson.bak']);
    expect(point.troubles).toEqual([]);
  });
});

describe('a set that changes while it is written', () => {
  it('is on disk as it was when the last line was made', async () => {
    const cache = createRevocationCache();
    const apply = (entry: FeedEntry) => {
      cache.apply(entry);
      const [epoch = '', seq] = entry.position.split('-');
      cache.position = { epoch, seq: Number(seq) };
    };
    const put = (number: number, seq: number): FeedEntry =>
      anEntry({ ...killOf(number), position: `7f3a-${seq}` });
    for (let number = 1; number <= 2_000; number += 1) apply(put(number, number));
    const changes: FeedEntry[] = [];
    let seq = 2_000;
    // Behind and before where the writing is: lifts, moves and new entries.
    const looks = () => {
      seq += 1;
      const step = seq - 2_000;
      const removal: FeedEntry = {
        v: 1,
        op: 'lift',
        id: idOf(step),
        position: `7f3a-${seq}`,
        committed_at_ms: 1,
      };
      const change =
        [removal, put(Math.ceil(step / 2), seq), put(step + 300, seq), put(seq, seq)][step % 4] ?? removal;
      apply(change);
      changes.push(change);
      return false;
    };
    const hub = 'https://hub.example';
    const configuration = { issuers: [] };
    // Every look at whether it is outdated changes the set, so that it changes between all lines.
    let looked = 0;
    const isOutdated = () => ((looked += 1) < 1_500 ? looks() : false);
    expect(
      await writeSnapshotFile({
        path: file,
        hub,
        cache,
        configuration,
        confirmedAtMs: 7,
        changes,
        isOutdated,
      }),
    ).toBe(true);
    const saved = await readSnapshotFile(file, hub);
    expect(saved?.cursor).toEqual(cache.position);
    expect(saved?.cache.digest()).toBe(cache.digest());
    const byId = (entries: Iterable<{ id: string }>) =>
      [...entries].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(byId(saved?.cache.entries() ?? [])).toEqual(byId(cache.entries()));
  });
});

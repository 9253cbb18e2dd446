import { afterEach, expect, it } from 'vitest';
import { createAnnouncer } from '../../src/adapters/postgres/announcer.ts';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import { createReceiptStore } from '../../src/adapters/postgres/receipt-store.ts';
import { pointName } from '../../src/core/vocabulary.ts';
import { instancesKeptMs, type Point, pointInstancesMax, type ReceiptBatch } from '../../src/points/ports.ts';
import { aReceipt } from './support/a-receipt.ts';
import { deferred } from '../support/deferred.ts';
import { forEachDatabase } from '../support/databases.ts';
import { type PointsHub, startPointsHub } from './support/points-hub.ts';

forEachDatabase('what a node knows of the points', (fixture) => {
  let hub: PointsHub;
  afterEach(() => hub.close());

  it('a list of points that was asked for earlier and answered later brings back no retired one', async () => {
    const store = createPointStore({ database: fixture.database, announcer: { announce: () => undefined } });
    const [read, answered] = [deferred(), deferred()];
    let isHeld = false;
    const list = async (): Promise<readonly Point[]> => {
      const points = await store.list();
      if (!isHeld) return points;
      isHeld = false;
      read.resolve();
      await answered.promise;
      return points;
    };
    hub = await startPointsHub(fixture.database, { pointStore: { ...store, list } });
    await hub.post('/v1/points', { name: 'late' });
    isHeld = true;
    const early = hub.points.book.refresh();
    await read.promise;
    await store.retire('late' as Point['name'], 5, {
      atMs: 5,
      actor: 'admin',
      action: 'point.retired',
      target: 'late',
      outcome: 'done',
    });
    const late = hub.points.book.refresh();
    await new Promise((resolve) => setTimeout(resolve, 100));
    answered.resolve();
    await Promise.all([early, late]);
    expect([...hub.points.book.points()]).toMatchObject([{ name: 'late', retiredAtMs: 5 }]);
  });

  it('whoever invents instances of one point crowds out no other point, and those that left make room', async () => {
    hub = await startPointsHub(fixture.database);
    const { book } = hub.points;
    for (const name of ['crowded', 'calm']) await hub.post('/v1/points', { name });
    const [crowded, calm] = [pointName('crowded'), pointName('calm')];
    for (let index = 0; index < pointInstancesMax; index++) {
      await book.accept(crowded, `i${index}`, aReceipt());
    }
    await expect(book.accept(crowded, 'more', aReceipt())).rejects.toMatchObject({ code: 'rate-limited' });
    await book.accept(calm, 'one', aReceipt());
    await book.accept(crowded, 'i7', aReceipt({ goodbye: true }));
    await book.accept(crowded, 'more', aReceipt());
    const names = [...book.instancesOf(crowded)].map(({ instance }) => instance);
    expect(names).toHaveLength(pointInstancesMax);
    expect(names).toContain('more');
    expect(names).not.toContain('i7');
  });

  it('forgets who left long ago, and at once the instances of a point that is retired', async () => {
    hub = await startPointsHub(fixture.database);
    const { book } = hub.points;
    await hub.post('/v1/points', { name: 'going' });
    const going = pointName('going');
    const names = () => [...book.instancesOf(going)].map(({ instance }) => instance);
    await book.accept(going, 'stays', aReceipt());
    await book.accept(going, 'leaves', aReceipt({ goodbye: true }));
    hub.time.aheadMs += instancesKeptMs - 60_000;
    await book.refresh();
    expect(names()).toEqual(['stays', 'leaves']);
    hub.time.aheadMs += 120_000;
    await book.refresh();
    expect(names()).toEqual(['stays']);
    await hub.post('/v1/points/going/retire', {});
    expect(names()).toEqual([]);
    await expect(book.accept(going, 'late', aReceipt())).rejects.toMatchObject({ code: 'rate-limited' });
  });

  it('what this node has written itself is not read back, and what others wrote is news once', async () => {
    const written = deferred();
    const [pointStore, store] = [
      createPointStore({ database: fixture.database, announcer: { announce: () => undefined } }),
      createReceiptStore(fixture),
    ];
    const real = createAnnouncer({ database: fixture.database, onError: () => undefined });
    let isAnnouncing = false;
    const announce: typeof real.announce = (topic) => {
      isAnnouncing = true;
      real.announce(topic);
      isAnnouncing = false;
    };
    let reads = 0;
    const list = async () => {
      if (isAnnouncing) reads++;
      return pointStore.list();
    };
    const write = async (batch: ReceiptBatch) => {
      await store.write(batch);
      written.resolve();
    };
    hub = await startPointsHub(fixture.database, {
      announcer: { ...real, announce },
      pointStore: { ...pointStore, list },
      receiptStore: { ...store, write },
    });
    await hub.post('/v1/points', { name: 'own' });
    const news: boolean[] = [];
    hub.points.book.onChange((elsewhere) => void news.push(elsewhere));
    await hub.points.book.accept(pointName('own'), 'one', aReceipt());
    await written.promise;
    await new Promise(setImmediate);
    expect(reads).toBe(0);
    announce('receipts');
    expect(reads).toBe(1);
    await hub.points.book.refresh();
    expect(news).toEqual([false]);
    const [instance] = await store.readInstances(0).then((all) => all.filter(({ point }) => point === 'own'));
    const later = { ...instance!, instance: 'two', lastSeenMs: Date.now() };
    await store.write({ instances: [later], receipts: [], denials: [], fed: [] });
    await hub.points.book.refresh();
    await hub.points.book.refresh();
    expect(news).toEqual([false, true]);
  });
});

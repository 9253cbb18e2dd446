import { afterEach, expect, it } from 'vitest';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import type { Point } from '../../src/points/ports.ts';
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
});

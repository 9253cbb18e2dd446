import { expect, it } from 'vitest';
import { createReportStore } from '../../src/adapters/postgres/point-reports.ts';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import { pointName } from '../../src/core/vocabulary.ts';
import type { AuditEntry } from '../../src/pipeline/ports.ts';
import { type Point, pointsMax, type Report } from '../../src/points/ports.ts';
import { forEachDatabase } from '../support/databases.ts';

const audit = (action: string): AuditEntry => ({
  atMs: 5,
  actor: 'admin',
  action,
  target: 'point',
  outcome: 'done',
});
const aPoint = (name: string): Point => ({
  name: pointName(name),
  expect: 2,
  ephemeral: true,
  createdAtMs: 7,
});

forEachDatabase('points and their reports', (fixture) => {
  const announced: string[] = [];
  const points = () =>
    createPointStore({
      database: fixture.database,
      announcer: { announce: (topic) => void announced.push(topic) },
    });
  const audited = async () =>
    (await fixture.database.pool.query<{ action: string }>('SELECT action FROM hub.audit_log')).rows.map(
      ({ action }) => action,
    );

  it('are added once, audited and announced; a name is never used again', async () => {
    await points().add(aPoint('b'), audit('point.added'));
    await points().add(aPoint('a'), audit('point.added'));
    await expect(points().add(aPoint('a'), audit('point.added'))).rejects.toMatchObject({ code: 'conflict' });
    expect(await points().list()).toEqual([aPoint('a'), aPoint('b')]);
    expect(await audited()).toEqual(['point.added', 'point.added']);
    expect(announced).toEqual(['receipts', 'receipts']);
  });

  it('are retired once, and those who hold their tokens hear of it', async () => {
    announced.length = 0;
    expect(await points().retire(pointName('a'), 9, audit('point.retired'))).toBe(true);
    expect(await points().retire(pointName('a'), 10, audit('point.retired'))).toBe(false);
    expect(await points().retire(pointName('none'), 10, audit('point.retired'))).toBe(false);
    expect((await points().list())[0]).toEqual({ ...aPoint('a'), retiredAtMs: 9 });
    await expect(points().add(aPoint('a'), audit('point.added'))).rejects.toMatchObject({ code: 'conflict' });
    expect(await audited()).toEqual(['point.added', 'point.added', 'point.retired']);
    expect(announced).toEqual(['tokens', 'receipts']);
  });

  it('are at most so many', async () => {
    await fixture.database.pool.query(
      "INSERT INTO hub.points (name, created_at_ms) SELECT 'p' || i, 0 FROM generate_series(1, $1) i",
      [pointsMax - 2],
    );
    await expect(points().add(aPoint('more'), audit('point.added'))).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('reports are listed newest first, filtered, and page by page', async () => {
    const store = createReportStore({ database: fixture.database });
    const reports: Report[] = ['1', '2', '3', '4'].map((id) => ({
      id: `rep_${id}`,
      point: pointName(id === '4' ? 'a' : 'b'),
      instance: 'one',
      kind: id === '1' ? 'sighting' : 'refusal',
      detail: { count: Number(id) },
      receivedAtMs: Number(id),
    }));
    await store.write(reports);
    await store.write([]);
    const [one, two, three, four] = reports;
    expect(await store.list({ limit: 10 })).toEqual([four, three, two, one]);
    expect(await store.list({ limit: 2 })).toEqual([four, three]);
    expect(await store.list({ limit: 2, before: 'rep_3' })).toEqual([two, one]);
    expect(await store.list({ limit: 10, point: 'b', kind: 'refusal' })).toEqual([three, two]);
  });
});

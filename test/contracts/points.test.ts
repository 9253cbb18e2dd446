import { expect, it } from 'vitest';
import { createReportStore } from '../../src/adapters/postgres/point-reports.ts';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import { newId } from '../../src/adapters/system/ids.ts';
import { pointName } from '../../src/core/vocabulary.ts';
import type { AuditEntry } from '../../src/pipeline/ports.ts';
import { type Point, pointsMax, type Report, type ReportStore } from '../../src/points/ports.ts';
import { createTakeReports } from '../../src/points/reports.ts';
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

const edge = { point: pointName('edge'), instance: 'one' };
const aBatch = (batch_id: string, refusals: number) => ({
  batch_id,
  refusals: Array.from({ length: refusals }, (_, index) => ({
    at_ms: index,
    code: 'revoked',
    decision_id: `dec_${index}`,
    count: 1,
  })),
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
    await store.write(reports.map((report) => ({ ...report, said: Buffer.from(report.id) })));
    expect(await store.write([])).toBe(0);
    const [one, two, three, four] = reports;
    expect(await store.list({ limit: 10 })).toEqual([four, three, two, one]);
    expect(await store.list({ limit: 2 })).toEqual([four, three]);
    expect(await store.list({ limit: 2, before: 'rep_3' })).toEqual([two, one]);
    expect(await store.list({ limit: 10, point: 'b', kind: 'refusal' })).toEqual([three, two]);
    expect(await store.write([{ ...one!, id: 'rep_5', said: Buffer.from(one!.id) }])).toBe(0);
    expect(await store.list({ limit: 10 })).toEqual([four, three, two, one]);
  });

  it('a batch that is sent again, because its answer was lost, is kept once and charged once', async () => {
    await fixture.database.pool.query('DELETE FROM hub.reports');
    const take = aTakeReports();
    const batch = aBatch('batch-0000000000-lost', 200);
    await Promise.all(Array.from({ length: 20 }, () => take(edge, batch)));
    for (let again = 0; again < 20; again += 1) await take(edge, batch);
    expect(await kept()).toBe(200);
    for (let more = 1; more < 30; more += 1) await take(edge, aBatch(`batch-000000000-${more}`, 200));
    expect(await kept()).toBe(6_000);
    await expect(take(edge, aBatch('batch-0000000000-more', 1))).rejects.toMatchObject({
      code: 'rate-limited',
    });
    expect(await kept()).toBe(6_000);
  });

  it('equal words of another batch, of another instance or twice in one batch are reports of their own', async () => {
    await fixture.database.pool.query('DELETE FROM hub.reports');
    const take = aTakeReports();
    const {
      batch_id,
      refusals: [refusal],
    } = aBatch('batch-0000000000-0001', 1);
    const twice = { batch_id, refusals: [refusal!, refusal!] };
    await take(edge, twice);
    await take(edge, { ...twice, batch_id: 'batch-0000000000-0002' });
    await take({ ...edge, instance: 'two' }, twice);
    await take(edge, { batch_id, refusals: [{ ...refusal!, count: 7 }] });
    expect(await kept()).toBe(7);
  });

  it('what could not be written is not charged, and is kept when it is sent again', async () => {
    await fixture.database.pool.query('DELETE FROM hub.reports');
    const store = createReportStore({ database: fixture.database });
    let isDown = true;
    const take = aTakeReports({
      write: async (rows) => (isDown ? Promise.reject(new Error('down')) : store.write(rows)),
    });
    const batch = aBatch('batch-0000000000-down', 200);
    for (let again = 0; again < 40; again += 1) await expect(take(edge, batch)).rejects.toThrow('down');
    isDown = false;
    await take(edge, batch);
    expect(await kept()).toBe(200);
  });

  const kept = async () =>
    (await fixture.database.pool.query('SELECT count(*)::int AS n FROM hub.reports')).rows[0]?.n as number;
  const aTakeReports = (
    store: Pick<ReportStore, 'write'> = createReportStore({ database: fixture.database }),
  ) => createTakeReports({ store, clock: { nowMs: () => 1, monotonicMs: () => 1 }, newId });
});

import { beforeAll, expect, it } from 'vitest';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import { createReceiptStore } from '../../src/adapters/postgres/receipt-store.ts';
import { pointName, signalId } from '../../src/core/vocabulary.ts';
import type { Instance, ReceiptBatch } from '../../src/points/ports.ts';
import { aDeclaration } from '../points/support/a-receipt.ts';
import { aRevocation, lift, put, putMany } from '../points/support/write-feed.ts';
import { forEachDatabase } from '../support/databases.ts';

const edge = pointName('edge');
const anInstance = (instance: string, parts: Partial<Instance> = {}): Instance => ({
  point: edge,
  instance,
  declared: aDeclaration(),
  reported: { stale_ms: 3, orphans: ['rev_0'] },
  appliedEpoch: '7f3a9c01',
  appliedSeq: 10,
  firstSeenMs: 1_000,
  lastSeenMs: 2_000,
  ...parts,
});
const nothing: ReceiptBatch = { instances: [], receipts: [], notes: [], fed: [] };

forEachDatabase('the receipt store', (fixture) => {
  const store = () => createReceiptStore({ database: fixture.database });
  beforeAll(async () => {
    await createPointStore({ database: fixture.database, announcer: { announce: () => undefined } }).add(
      { name: edge, expect: 1, ephemeral: false, createdAtMs: 0 },
      { atMs: 0, actor: 'test', action: 'point.added', target: edge, outcome: 'done' },
    );
  });

  it('keeps of each instance what was said last, and how long it is fed as its own node says', async () => {
    const one = anInstance('one', { leftAtMs: 2_000 });
    await store().write({
      ...nothing,
      instances: [one],
      fed: [{ point: edge, instance: 'one', fedUntilMs: 9_000 }],
    });
    expect(await store().readInstances(2_000)).toEqual([{ ...one, fedUntilMs: 9_000 }]);
    const { leftAtMs: _, ...back } = anInstance('one', { appliedSeq: 4, lastSeenMs: 3_000, fedUntilMs: 1 });
    await store().write({ ...nothing, instances: [back] });
    await store().write({
      ...nothing,
      instances: [anInstance('one', { appliedSeq: 99, lastSeenMs: 2_500 })],
    });
    expect(await store().readInstances(0)).toEqual([{ ...back, fedUntilMs: 9_000 }]);
    await store().write({ ...nothing, fed: [{ point: edge, instance: 'one', fedUntilMs: 4_000 }] });
    expect(await store().readInstances(3_500)).toEqual([{ ...back, fedUntilMs: 4_000 }]);
    expect(await store().readInstances(4_001)).toEqual([]);
  });

  it('finds the receipt that first covered a position, also when receipts are repeated', async () => {
    const receipts = [
      [0, 10],
      [10, 20],
      [20, 30],
    ].map(([afterSeq = 0, throughSeq = 0]) => ({
      point: edge,
      instance: 'two',
      afterSeq,
      throughSeq,
      receivedAtMs: throughSeq * 100,
      appliedAfterMs: 0.25,
    }));
    await store().write({ ...nothing, instances: [anInstance('two')], receipts });
    await store().write({ ...nothing, receipts: receipts.map((row) => ({ ...row, receivedAtMs: 1 })) });
    for (const [seq, throughSeq] of [
      [1, 10],
      [10, 10],
      [11, 20],
      [30, 30],
    ]) {
      expect(await store().readFirstReceipts(seq ?? 0)).toMatchObject([
        { point: 'edge', instance: 'two', throughSeq, receivedAtMs: (throughSeq ?? 0) * 100 },
      ]);
    }
    expect(await store().readFirstReceipts(31)).toEqual([]);
  });

  it('keeps one note of each kind of an instance about a revocation', async () => {
    const note = {
      point: edge,
      instance: 'two',
      revocationId: 'rev_1',
      kind: 'refused' as const,
      detail: { why: 'unknown' },
      receivedAtMs: 5,
    };
    await store().write({
      ...nothing,
      notes: [note, { ...note, kind: 'first_denied', detail: { after_ms: 3 } }],
    });
    await store().write({ ...nothing, notes: [{ ...note, detail: { why: 'again' } }] });
    expect(await store().readNotes(['rev_1', 'rev_2'])).toEqual(
      expect.arrayContaining([note, { ...note, kind: 'first_denied', detail: { after_ms: 3 } }]),
    );
    expect(await store().readNotes(['rev_1'])).toHaveLength(2);
    expect(await store().readNotes([])).toEqual([]);
  });

  it('finds all entries of the signal whose last one stands at a position, and no others', async () => {
    const signal = signalId('sig_contract');
    const [one, two] = [
      aRevocation({ signalId: signal }),
      aRevocation({ signalId: signal, effect: 'observe' }),
    ];
    const places = await put(fixture.database, aRevocation(), one, two);
    const found = await store().readSignalEntries(places[2]?.seq ?? 0);
    expect(found?.committedAtMs).toBe(places[2]?.committedAtMs);
    expect(found?.puts).toEqual(
      expect.arrayContaining([
        { id: one.id, effect: 'deny' },
        { id: two.id, effect: 'observe' },
      ]),
    );
    expect(found?.puts).toHaveLength(2);
    await lift(fixture.database, one.id);
    expect((await store().readSignalEntries((places[2]?.seq ?? 0) + 1))?.puts).toEqual([]);
    expect(await store().readSignalEntries(999_999)).toBeUndefined();
  });

  it('finds entries that stand far before the last one: a kill of many, or one that bound late', async () => {
    const signal = signalId('sig_far');
    const [early, late] = [aRevocation({ signalId: signal }), aRevocation({ signalId: signal })];
    await put(fixture.database, early);
    await putMany(fixture.database, 1_100);
    const [place] = await put(fixture.database, late);
    const found = await store().readSignalEntries(place?.seq ?? 0);
    expect(found?.puts.map(({ id }) => id).toSorted()).toEqual([early.id, late.id].toSorted());
  });
});

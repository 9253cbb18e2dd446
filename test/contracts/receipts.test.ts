import { beforeAll, expect, it } from 'vitest';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import { createReceiptStore } from '../../src/adapters/postgres/receipt-store.ts';
import { createForgetInstances } from '../../src/adapters/postgres/instance-sweep.ts';
import { type PointName, pointName, signalId } from '../../src/core/vocabulary.ts';
import { batchMax, type Instance, pointInstancesMax, type ReceiptBatch } from '../../src/points/ports.ts';
import { aDeclaration } from '../points/support/a-receipt.ts';
import { aRevocation, lift, put, putMany, replace } from '../points/support/write-feed.ts';
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
const nothing: ReceiptBatch = { instances: [], receipts: [], denials: [], fed: [] };

forEachDatabase('the receipt store', (fixture) => {
  const store = () => createReceiptStore({ database: fixture.database });
  const addPoint = (name: PointName, ephemeral = false) =>
    createPointStore({ database: fixture.database, announcer: { announce: () => undefined } }).add(
      { name, expect: 1, ephemeral, createdAtMs: 0 },
      { atMs: 0, actor: 'test', action: 'point.added', target: name, outcome: 'done' },
    );
  beforeAll(() => addPoint(edge));

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

  it('reads those that are waited for before those that left, the latest first, and of no point more than its share', async () => {
    const crowd = pointName('crowd');
    await addPoint(crowd);
    const names = Array.from({ length: pointInstancesMax + 5 }, (_, index) => `i${index}`);
    for (const some of [names.slice(0, batchMax * 2), names.slice(batchMax * 2)]) {
      const instances = some.map((instance) =>
        anInstance(instance, { point: crowd, lastSeenMs: 10_000 + Number(instance.slice(1)) }),
      );
      await store().write({ ...nothing, instances });
    }
    const left = anInstance('i9999', { point: crowd, lastSeenMs: 99_999, leftAtMs: 99_999 });
    await store().write({ ...nothing, instances: [left] });
    const read = (await store().readInstances(10_000)).map(({ instance }) => instance);
    expect(read).toEqual(names.slice(5).toReversed());
    expect((await store().readInstances(99_000)).map(({ instance }) => instance)).toEqual(['i9999']);
  });

  it('forgets who left before, who was of a retired point, and ephemeral ones that have closed; no others', async () => {
    const forget = createForgetInstances(fixture);
    const postures = { a: { fail_closed_after: 5 }, b: { fail_open: true as const } };
    const closing = { declared: aDeclaration({ postures }) };
    const open = { declared: aDeclaration({ postures: { ...postures, c: { allow_reads_after: 5 } } }) };
    const [brief, over] = [pointName('brief'), pointName('over')];
    await addPoint(brief, true);
    await addPoint(over);
    const instances = [
      anInstance('left-before', { leftAtMs: 50 }),
      anInstance('left-after', { leftAtMs: 150 }),
      anInstance('silent', { lastSeenMs: 1 }),
      anInstance('closed', { ...closing, point: brief, lastSeenMs: 1 }),
      anInstance('heard', { ...closing, point: brief, lastSeenMs: 150 }),
      anInstance('fed', { ...closing, point: brief, lastSeenMs: 1 }),
      anInstance('open', { ...open, point: brief, lastSeenMs: 1 }),
      anInstance('retired', { point: over }),
    ];
    await fixture.database.pool.query('DELETE FROM hub.point_instances');
    await fixture.database.pool.query("UPDATE hub.points SET retired_at_ms = 50 WHERE name = 'over'");
    await store().write({ ...nothing, instances, fed: [{ point: brief, instance: 'fed', fedUntilMs: 150 }] });
    expect(await forget({ beforeMs: 100, stop: new AbortController().signal })).toBe(3);
    const kept = (await store().readInstances(0)).map(({ instance }) => instance).toSorted();
    expect(kept).toEqual(['fed', 'heard', 'left-after', 'open', 'silent']);
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

  it('keeps the first denial that an instance told of each revocation', async () => {
    const denial = { point: edge, instance: 'two', revocationId: 'rev_1', afterMs: 3, receivedAtMs: 5 };
    await store().write({ ...nothing, denials: [denial, { ...denial, revocationId: 'rev_2' }] });
    await store().write({ ...nothing, denials: [{ ...denial, afterMs: 99 }] });
    const { rows } = await fixture.database.pool.query(
      'SELECT revocation_id, after_ms FROM hub.receipt_notes ORDER BY revocation_id',
    );
    expect(rows).toEqual([
      { revocation_id: 'rev_1', after_ms: 3 },
      { revocation_id: 'rev_2', after_ms: 3 },
    ]);
  });

  it('finds the live entries of a signal, and when the last of it was committed', async () => {
    const signal = signalId('sig_contract');
    const [one, two] = [
      aRevocation({ signalId: signal }),
      aRevocation({ signalId: signal, effect: 'observe' }),
    ];
    const places = await put(fixture.database, aRevocation(), one, two);
    const place = { signalId: signal, lastSeq: places[2]?.seq ?? 0 };
    const found = await store().readSignalEntries(place);
    expect(found?.committedAtMs).toBe(places[2]?.committedAtMs);
    expect(found?.puts).toHaveLength(2);
    expect(found?.puts).toEqual(
      expect.arrayContaining([
        { id: one.id, effect: 'deny' },
        { id: two.id, effect: 'observe' },
      ]),
    );
    await lift(fixture.database, one.id);
    expect((await store().readSignalEntries(place))?.puts).toEqual([{ id: two.id, effect: 'observe' }]);
    expect(await store().readSignalEntries({ signalId: signalId('sig_none'), lastSeq: 999_999 })).toBe(
      undefined,
    );
  });

  it('finds what a signal put that also lifted, which the feed hears of last', async () => {
    const [before] = [aRevocation()];
    await put(fixture.database, before);
    const entry = aRevocation({ signalId: signalId('sig_both') });
    const lastSeq = await replace(fixture.database, before.id, entry);
    const found = await store().readSignalEntries({ signalId: entry.signalId, lastSeq });
    expect(found?.puts).toEqual([{ id: entry.id, effect: 'deny' }]);
  });

  it('finds what a signal put that another one has moved forward since', async () => {
    const parts = { cutOff: 1_000, match: { iss: 'https://idp.example', sub: 'merged' } };
    const [first, second] = [aRevocation(parts), aRevocation({ ...parts, cutOff: 2_000 })];
    const [place] = await put(fixture.database, first);
    await put(fixture.database, second);
    const found = await store().readSignalEntries({ signalId: first.signalId, lastSeq: place?.seq ?? 0 });
    expect(found).toEqual({ committedAtMs: place?.committedAtMs, puts: [{ id: first.id, effect: 'deny' }] });
  });

  it('knows a signal that the log has forgotten: when its entries were committed, or when it arrived', async () => {
    const entry = aRevocation();
    const [place] = await put(fixture.database, entry);
    await fixture.database.pool.query('DELETE FROM hub.feed_log');
    await fixture.database.pool.query(
      `INSERT INTO hub.signals (id, source_id, body, body_sha256, statement, event_type, subject_key, principal, event_time,
                                received_at_ms, actor, txn, outcome, answer, agents, kills, last_seq)
       VALUES ('sig_lift', 'soc', '', '', '{}', 'revocation-lifted', '', '', 0, 77, 'mara', 't', 'applied', '{}', '{}', false, 4)`,
    );
    expect(await store().readSignalEntries({ signalId: entry.signalId, lastSeq: place?.seq ?? 0 })).toEqual({
      committedAtMs: place?.committedAtMs,
      puts: [{ id: entry.id, effect: 'deny' }],
    });
    expect(await store().readSignalEntries({ signalId: signalId('sig_lift'), lastSeq: 4 })).toEqual({
      committedAtMs: 77,
      puts: [],
    });
  });

  it('finds entries that stand far before the last one: a kill of many, or one that bound late', async () => {
    const signal = signalId('sig_far');
    const [early, late] = [aRevocation({ signalId: signal }), aRevocation({ signalId: signal })];
    await put(fixture.database, early);
    await putMany(fixture.database, 1_100);
    const [place] = await put(fixture.database, late);
    const found = await store().readSignalEntries({ signalId: signal, lastSeq: place?.seq ?? 0 });
    expect(found?.puts.map(({ id }) => id).toSorted()).toEqual([early.id, late.id].toSorted());
  });
});

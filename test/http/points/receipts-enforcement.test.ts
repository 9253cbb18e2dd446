import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createReceiptStore } from '../../../src/adapters/postgres/receipt-store.ts';
import type { ReceiptBody } from '../../../src/core/feed.ts';
import type { ReceiptBatch } from '../../../src/points/ports.ts';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import { aDeclaration, aReceipt } from '../../points/support/a-receipt.ts';
import { openSse } from '../../points/support/sse.ts';
import { aRevocation, put, replace } from '../../points/support/write-feed.ts';
import { forEachDatabase } from '../../support/databases.ts';

forEachDatabase('receipts and enforcement', (fixture) => {
  let hub: PointsHub;
  let point = '';
  let points = 0;
  beforeAll(async () => {
    hub = await startPointsHub(fixture.database);
  });
  beforeEach(async () => {
    if (point !== '') await hub.post(`/v1/points/${point}/retire`, {});
    point = `edge${++points}`;
    await hub.post('/v1/points', { name: point, expect: 2 });
  });
  afterAll(() => hub.close());

  const receipt = async (instance: string, parts: Partial<ReceiptBody> = {}) =>
    hub.post('/v1/points/receipts', aReceipt(parts), asInstance(point, instance));
  /** Puts one entry as the only one of a signal. */
  const signal = async () => {
    const entry = aRevocation();
    const [place] = await put(fixture.database, entry);
    await hub.points.memory.refresh();
    hub.signals.set(entry.signalId, { lastSeq: place!.seq });
    return {
      id: entry.signalId,
      entryId: entry.id,
      place: { signalId: entry.signalId, lastSeq: place!.seq },
      seq: place!.seq,
      cursor: hub.points.memory.view('lines').cursor,
    };
  };
  const enforcement = async (id: string) =>
    (await (await hub.get(`/v1/signals/${id}/enforcement`)).json()) as Record<string, unknown>;

  it('two of two that applied it is complete, with the time from commit to receipt', async () => {
    await Promise.all([receipt('one'), receipt('two')]);
    const { id, cursor } = await signal();
    expect(await enforcement(id)).toMatchObject({ state: 'pending', expected: 2, applied: 0 });
    const answer = await receipt('one', { applied: cursor });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { next_receipt_ms: number }).next_receipt_ms).toBeGreaterThan(0);
    expect(await enforcement(id)).toMatchObject({ state: 'pending', applied: 1 });
    await receipt('two', { applied: cursor });
    const state = await enforcement(id);
    expect(state).toMatchObject({
      state: 'complete',
      expected: 2,
      applied: 2,
      contained: 0,
      exposed: [],
      missing: [],
    });
    expect(state['instances']).toMatchObject([
      { point, instance: 'one', state: 'applied', latency_ms: expect.any(Number) },
      { point, instance: 'two', state: 'applied' },
    ]);
    expect(state['p50_ms']).toEqual(expect.any(Number));
  });

  it('a signal that put nothing is no success: there is nothing to enforce', async () => {
    await Promise.all([receipt('one'), receipt('two')]);
    hub.signals.set('sig_waiting', {});
    for (const accept of ['application/json', 'text/event-stream']) {
      const answer = await hub.get('/v1/signals/sig_waiting/enforcement', {
        authorization: 'Bearer admin',
        accept,
      });
      expect(answer.status).toBe(409);
      expect(await answer.json()).toMatchObject({ code: 'conflict' });
    }
  });

  it('two points of which one is silent is never complete, whatever waits for it', async () => {
    const declared = { instance: aDeclaration({ postures: { all: { allow_reads_after: 1 } } }) };
    await Promise.all([receipt('one'), receipt('two', declared)]);
    const feed = await openSse(`${hub.url}/v1/feed`, asInstance(point, 'two'));
    await feed.until(({ event }) => event === 'heartbeat');
    feed.close();
    while (hub.points.connections.count > 0) await new Promise(setImmediate);
    const { id, place, cursor } = await signal();
    await receipt('one', { applied: cursor });
    expect(await hub.points.view.wait(place, 50)).toMatchObject({
      state: 'partial',
      applied: 1,
      exposed: [{ point, instance: 'two' }],
    });
    hub.time.aheadMs += 3_600_000;
    await receipt('one', { applied: cursor });
    expect(await enforcement(id)).toMatchObject({ state: 'partial', expected: 2, applied: 1 });
    await receipt('two', { ...declared, goodbye: true });
    expect(await enforcement(id)).toMatchObject({ state: 'partial', expected: 2, missing: [{ present: 1 }] });
  });

  it('a refusal, and an inability, are in the way and say why', async () => {
    const { id, entryId, cursor } = await signal();
    await receipt('one', { applied: cursor, refused: [{ id: entryId, why: 'v2 is unknown' }] });
    await receipt('two', { applied: cursor, cannot: [{ id: entryId, why: 'no sid here' }] });
    const state = await enforcement(id);
    expect(state).toMatchObject({ state: 'partial', applied: 0 });
    expect(state['instances']).toMatchObject([
      { instance: 'one', state: 'refused', why: 'v2 is unknown' },
      { instance: 'two', state: 'cannot', why: 'no sid here' },
    ]);
  });

  it('what was refused counts until the instance says that it is not: of its newest receipt', async () => {
    await receipt('two');
    const { id, entryId, cursor } = await signal();
    const refused = [{ id: entryId, why: 'no room' }];
    await receipt('one', { applied: cursor, refused });
    await receipt('two', { applied: cursor });
    expect(await enforcement(id)).toMatchObject({ state: 'partial', applied: 1 });
    await receipt('one', { applied: cursor });
    expect(await enforcement(id)).toMatchObject({ state: 'complete', applied: 2 });
  });

  it('a refusal is in the way of a signal that also lifted, whose last position is the lift', async () => {
    const before = aRevocation();
    await put(fixture.database, before);
    const entry = aRevocation();
    hub.signals.set(entry.signalId, { lastSeq: await replace(fixture.database, before.id, entry) });
    await hub.points.memory.refresh();
    const { cursor } = hub.points.memory.view('lines');
    await receipt('one', { applied: cursor, refused: [{ id: entry.id, why: 'v2 is unknown' }] });
    await receipt('two', { applied: cursor });
    expect(await enforcement(entry.signalId)).toMatchObject({ state: 'partial', applied: 1 });
  });

  it('a first denial that is told with every receipt is written once', async () => {
    const written: number[] = [];
    const { write } = createReceiptStore(fixture);
    const receiptStore = {
      ...createReceiptStore(fixture),
      write: async (batch: ReceiptBatch) => {
        written.push(batch.denials.length);
        await write(batch);
      },
    };
    const { entryId, cursor } = await signal();
    const other = await startPointsHub(fixture.database, { receiptStore });
    const told = aReceipt({ applied: cursor, first_denied: [{ id: entryId, after_ms: 3 }] });
    for (let round = 0; round < 3; round++) {
      await other.post('/v1/points/receipts', told, asInstance(point, 'one'));
    }
    await other.close();
    expect(written.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('waiting ends as soon as everybody has confirmed', async () => {
    await Promise.all([receipt('one'), receipt('two')]);
    const { place, cursor } = await signal();
    const waited = hub.points.view.wait(place, 30_000);
    await receipt('one', { applied: cursor });
    await receipt('two', { applied: cursor });
    expect(await waited).toMatchObject({ state: 'complete', applied: 2 });
  });

  it('GET …/enforcement as a stream: an event for each change, the last one complete', async () => {
    await Promise.all([receipt('one'), receipt('two')]);
    const { id, cursor } = await signal();
    const stream = await openSse(`${hub.url}/v1/signals/${id}/enforcement`, {
      authorization: 'Bearer admin',
      accept: 'text/event-stream',
    });
    await stream.until(({ data }) => data['applied'] === 0);
    await receipt('one', { applied: cursor });
    await stream.until(({ data }) => data['applied'] === 1);
    await receipt('two', { applied: cursor });
    await stream.ended;
    expect(stream.response.headers['content-type']).toBe('text/event-stream');
    expect(stream.events.at(-1)).toMatchObject({
      event: 'enforcement',
      data: { state: 'complete', applied: 2 },
    });
  });

  it('another node knows what was confirmed here, and a node that starts later knows it too', async () => {
    const other = await startPointsHub(fixture.database);
    const { place, cursor } = await signal();
    const waited = other.points.view.wait(place, 15_000);
    await Promise.all([receipt('one', { applied: cursor }), receipt('two', { applied: cursor })]);
    await hub.points.book.refresh();
    if (fixture.kind === 'embedded') {
      for (;;) {
        await other.points.book.refresh();
        const { summary } = await other.points.view.state(place);
        if (summary.state === 'complete') break;
      }
    }
    expect(await waited).toMatchObject({ state: 'complete', applied: 2 });
    await other.close();
    const late = await startPointsHub(fixture.database);
    expect((await late.points.view.state(place)).summary).toMatchObject({ state: 'complete', applied: 2 });
    await late.close();
  });

  it('what cannot be true is refused and changes nothing', async () => {
    const { id, seq, cursor } = await signal();
    const { epoch } = hub.points.memory.tail;
    const bad: Partial<ReceiptBody>[] = [
      { applied: `${epoch}-${seq + 1}-${'0'.repeat(16)}` },
      { applied: `${epoch}-${seq}-${'f'.repeat(16)}` },
      { applied: 'everything' },
      { applied: cursor, stale_ms: -1 },
      { applied: cursor, stale_ms: Number.NaN },
      { applied: cursor, applied_after_ms: -5 },
      { applied: cursor, instance: aDeclaration({ downstream_cache_seconds: 1e9 }) },
      { applied: cursor, instance: aDeclaration({ postures: { all: { fail_closed_after: -1 } } }) },
      {
        applied: cursor,
        instance: { ...aDeclaration(), postures: { all: {} } } as unknown as ReceiptBody['instance'],
      },
    ];
    for (const parts of bad) expect((await receipt('one', parts)).status).toBe(400);
    expect((await hub.post('/v1/points/receipts', aReceipt({ applied: cursor }), asWatcher)).status).toBe(
      403,
    );
    const foreign = { ...asInstance(point, 'one'), 'caep-point': 'other/one' };
    expect((await hub.post('/v1/points/receipts', aReceipt({ applied: cursor }), foreign)).status).toBe(403);
    expect(await enforcement(id)).toMatchObject({ applied: 0, instances: [] });
  });

  it('an instance of an older epoch has applied nothing of this one', async () => {
    const { id } = await signal();
    await receipt('one', { applied: `${'f'.repeat(8)}-999999-${'0'.repeat(16)}` });
    expect((await enforcement(id))['instances']).toMatchObject([{ instance: 'one', state: 'pending' }]);
  });

  it('404 for a signal that there is not, 403 without the scope', async () => {
    expect((await hub.get('/v1/signals/sig_none/enforcement')).status).toBe(404);
    expect((await hub.get('/v1/signals/sig_none/enforcement', asWatcher)).status).toBe(403);
  });
});

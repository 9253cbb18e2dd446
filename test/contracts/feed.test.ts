import { expect, it } from 'vitest';
import { createFeedLog } from '../../src/adapters/postgres/feed-log.ts';
import { openFeedMemory } from '../../src/points/feed-memory.ts';
import type { AuditEntry } from '../../src/pipeline/ports.ts';
import { aRevocation, lift, put, putMany } from '../points/support/write-feed.ts';
import { forEachDatabase } from '../support/databases.ts';

const audit: AuditEntry = {
  atMs: 1_763_764_000_000,
  actor: 'edge',
  action: 'feed.epoch-opened',
  target: 'feed',
  outcome: 'done',
};

forEachDatabase('the feed log', (fixture) => {
  const log = () => createFeedLog({ database: fixture.database });
  const openMemory = (tailEntriesMax?: number) =>
    openFeedMemory({
      log: log(),
      announcer: { subscribe: () => () => undefined },
      clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
      alert: (kind, detail) => void alerts.push({ kind, detail }),
      ...(tailEntriesMax !== undefined && { tailEntriesMax }),
    });
  const alerts: object[] = [];

  it('gives a head that counts exactly the rows it comes with, gapless and in order', async () => {
    const before = await log().readAfter(0, 1);
    await put(fixture.database, aRevocation(), aRevocation());
    const entry = aRevocation();
    await put(fixture.database, entry);
    await lift(fixture.database, entry.id);
    const { head, rows } = await log().readAfter(before.head.seq, 10);
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4].map((step) => before.head.seq + step));
    expect(rows.at(-1)).toMatchObject({
      op: 'lift',
      revocationId: entry.id,
      check: head.check,
      epoch: head.epoch,
    });
    expect(head.seq).toBe(rows.at(-1)?.seq);
    const part = await log().readAfter(before.head.seq, 2);
    expect(part.rows.map(({ seq }) => seq)).toEqual([before.head.seq + 1, before.head.seq + 2]);
    expect((await log().readAfter(Number.MAX_SAFE_INTEGER, 1)).rows).toEqual([]);
  });

  it('lists live entries by their current position and nothing that has ended', async () => {
    const [kept, lifted] = [aRevocation(), aRevocation()];
    await put(fixture.database, kept, lifted);
    await lift(fixture.database, lifted.id);
    const live = await log().readLive(0, 1_000);
    expect(live.map(({ revocationId }) => revocationId)).toContain(kept.id);
    expect(live.map(({ revocationId }) => revocationId)).not.toContain(lifted.id);
    expect(live.map(({ seq }) => seq)).toEqual(live.map(({ seq }) => seq).sort((a, b) => a - b));
  });

  it('is followed to the digest of the head: by loading, by following, and by both with merges in between', async () => {
    const early = await openMemory();
    const merging = { cutOff: 1_763_764_000, match: { iss: 'https://idp.example', sub: 'alice' } };
    const [first] = await put(fixture.database, aRevocation(merging));
    const entries = await putMany(fixture.database, 20);
    const [again] = await put(fixture.database, aRevocation({ ...merging, cutOff: 1_763_765_000 }));
    expect(again?.entry.id).toBe(first?.entry.id);
    await lift(fixture.database, ...entries.slice(0, 7).map(({ id }) => id));
    await early.refresh();
    const late = await openMemory();
    const { head } = await log().readAfter(Number.MAX_SAFE_INTEGER, 1);
    for (const memory of [early, late]) {
      expect(memory.digest).toBe(head.digest);
      expect(memory.tail.head).toBe(head.seq);
      expect(memory.tail.checkOf(head.seq)).toBe(head.check);
      expect(memory.diverged).toBe(false);
      memory.close();
    }
    expect(early.liveCount).toBe(late.liveCount);
    expect(await linesOf(early)).toEqual(await linesOf(late));
    expect(alerts).toEqual([]);
  });

  it('holds no more of the tail than it should, wherever it was loaded', async () => {
    const memory = await openMemory(5);
    await putMany(fixture.database, 12);
    await memory.refresh();
    const reloaded = await openMemory(5);
    for (const { tail } of [memory, reloaded]) expect(tail.head - tail.start).toBe(5);
    expect(reloaded.tail.checkOf(reloaded.tail.start)).toBe(memory.tail.checkOf(memory.tail.start));
    memory.close();
    reloaded.close();
  });

  it('opens an epoch once in an interval, audited, and entries keep their positions and digest', async () => {
    const { head } = await log().readAfter(Number.MAX_SAFE_INTEGER, 1);
    const ask = { because: 'a test', intervalMs: 60_000, audit };
    expect(await log().openEpoch({ ...ask, epoch: 'ffffffff' })).toBe('not-now');
    expect(await log().openEpoch({ ...ask, epoch: head.epoch })).toBe('opened');
    const opened = (await log().readAfter(Number.MAX_SAFE_INTEGER, 1)).head;
    expect(opened).toEqual({ ...head, epoch: opened.epoch });
    expect(opened.epoch).not.toBe(head.epoch);
    expect(await log().openEpoch({ ...ask, epoch: opened.epoch })).toBe('not-now');
    const { rows } = await fixture.database.pool.query(
      "SELECT detail FROM hub.audit_log WHERE action = 'feed.epoch-opened'",
    );
    expect(rows).toEqual([{ detail: { epoch: opened.epoch } }]);
    const memory = await openMemory();
    expect(memory.tail).toMatchObject({ epoch: opened.epoch, start: head.seq, head: head.seq });
    expect(memory.digest).toBe(head.digest);
    memory.close();
  });
});

async function linesOf(memory: Awaited<ReturnType<typeof openFeedMemory>>): Promise<string[]> {
  return Buffer.concat([...memory.view('lines').pieces()])
    .toString('utf8')
    .split('\n')
    .sort();
}

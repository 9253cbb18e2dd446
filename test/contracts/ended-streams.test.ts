import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { sweepEndedStreams } from '../../src/adapters/postgres/ended-streams.ts';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { streamUpdatedEventType } from '../../src/core/set-claims.ts';
import type { StreamStatus } from '../../src/core/stream.ts';
import type { StreamId } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, now, of, signedAs } from '../support/deliveries.ts';

/** More than two statements may touch. */
const many = 2_100;
const by = { actor: 'mara', atMs: now };
const never = new AbortController().signal;

forEachDatabase('streams that ended', (fixture) => {
  const { store, aStream, aSet, put, claim } = deliveriesOf(fixture);
  const streams = () =>
    createStreamStore({
      database: fixture.database,
      announcer: { announce: () => undefined },
      sealer: createSealer(randomBytes(32)),
    });
  /** Of as many principals as SETs: all may go at once. */
  const fill = (stream: StreamId, count = many) =>
    put(...Array.from({ length: count }, (_, n) => aSet(stream, { principal: `p${n}` })));
  const list = (stream: StreamId, count = many) =>
    fixture.database.pool.query(
      `INSERT INTO hub.stream_subjects (stream_id, subject_key, subject, listed, verified, changed_at_ms, changed_version)
       SELECT $1, 'key' || n, '{}', 'added', true, 0, n FROM generate_series(1, $2::int) n`,
      [stream, count],
    );
  const setStatus = (stream: StreamId, status: StreamStatus) =>
    streams().update(
      stream,
      (before) => ({
        stream: { ...before, status },
        ...(status === 'disabled' || before.status === 'disabled' ? { drops: 'all' as const } : {}),
        audit: { action: 'stream.status-changed' },
      }),
      by,
    );
  const countsOf = async (stream: StreamId) => {
    const { rows } = await fixture.database.pool.query<{ state: string; n: number }>(
      `SELECT state, count(*)::int AS n FROM hub.deliveries WHERE stream_id = $1 GROUP BY state
        UNION ALL SELECT 'subjects', count(*)::int FROM hub.stream_subjects WHERE stream_id = $1 HAVING count(*) > 0
        UNION ALL SELECT 'deleted', count(*)::int FROM hub.deleted_streams WHERE id = $1 HAVING count(*) > 0`,
      [stream],
    );
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  };
  const takenOf = async (stream: StreamId) => [
    ...of(stream, await claim()),
    ...(await store().takeForPoll(stream, { nowMs: now, untilMs: now + 30_000, limit: 10 })).taken,
  ];

  /** The process dies at its `fatal`th statement; `rows` says how many each of those before touched. */
  function dyingAt(fatal: number) {
    const rows: number[] = [];
    const { db } = fixture.database;
    const execute = async (...args: Parameters<typeof db.execute>) => {
      if (rows.length + 1 === fatal) throw new Error('killed');
      const answer = await db.execute(...args);
      rows.push(answer.rowCount ?? 0);
      return answer;
    };
    const dying = Object.assign(Object.create(db) as typeof db, { execute });
    return { database: { ...fixture.database, db: dying }, rows };
  }

  it('DESIGN §4: a deleted stream is gone at once, however much it leaves, and nothing of it leaves any more', async () => {
    const [push, poll] = [await aStream(), await aStream({ method: 'poll' })];
    for (const stream of [push, poll]) {
      await fill(stream, 50);
      await list(stream, 3);
    }
    const claims = of(push, await claim());
    expect(claims.length).toBeGreaterThan(0);
    for (const stream of [push, poll]) {
      expect(await streams().remove(stream, by)).toBe(true);
      expect(await streams().find(stream)).toBeUndefined();
      expect(await takenOf(stream)).toEqual([]);
      expect(await countsOf(stream)).toEqual({ pending: 50, subjects: 3, deleted: 1 });
    }
    const signed = claims.map((one) => ({ ...one, signed: signedAs(one) }));
    expect([...(await store().storeSigned(signed, now))]).toEqual([]);
    await put(aSet(push));
    expect(await countsOf(push)).toMatchObject({ pending: 50 });
    await sweepEndedStreams(fixture.database, now, never);
    for (const stream of [push, poll]) expect(await countsOf(stream)).toEqual({});
  });

  it('DESIGN §4: what is left is swept a thousand rows at a time, from wherever the sweep before was killed', async () => {
    const [gone, other] = [await aStream(), await aStream()];
    await fill(gone);
    await list(gone);
    await fill(other, 3);
    await streams().remove(gone, by);
    const first = dyingAt(4);
    await expect(sweepEndedStreams(first.database, now, never)).rejects.toThrow('killed');
    expect(await countsOf(gone)).toEqual({ pending: 100, subjects: many, deleted: 1 });
    const second = dyingAt(Number.POSITIVE_INFINITY);
    await sweepEndedStreams(second.database, now, never);
    expect(Math.max(...first.rows, ...second.rows)).toBe(1_000);
    expect(await countsOf(gone)).toEqual({});
    expect(await countsOf(other)).toEqual({ pending: 3 });
  });

  it('SSF §8.1.2.1: of a disabled stream nothing leaves, and what waited is swept but for the news of its status', async () => {
    const [disabled, paused] = [await aStream(), await aStream()];
    for (const stream of [disabled, paused]) await fill(stream);
    const claims = of(disabled, await claim());
    await put(aSet(disabled, { principal: 's', control: true, eventType: streamUpdatedEventType }));
    // As a revoked client has them: nobody dropped anything.
    await fixture.database.pool.query("UPDATE hub.streams SET status = 'disabled' WHERE id = $1", [disabled]);
    await setStatus(paused, 'paused');
    const signed = claims.map((one) => ({ ...one, signed: signedAs(one) }));
    expect([...(await store().storeSigned(signed, now))]).toEqual([]);
    const first = dyingAt(2);
    await expect(sweepEndedStreams(first.database, now, never)).rejects.toThrow('killed');
    expect(await countsOf(disabled)).toEqual({ pending: many - 999, cancelled: 1_000 });
    const second = dyingAt(Number.POSITIVE_INFINITY);
    await sweepEndedStreams(second.database, now, never);
    expect(Math.max(...second.rows)).toBe(1_000);
    expect(await countsOf(disabled)).toEqual({ pending: 1, cancelled: many });
    expect(await countsOf(paused)).toEqual({ pending: many });
  });

  it.each(['enabled', 'paused'] as const)(
    'SSF §8.1.2.1: disabled and %s again before any sweep, it sends nothing of before, and what comes',
    async (status) => {
      const stream = await aStream();
      await fill(stream);
      await setStatus(stream, 'disabled');
      expect(await countsOf(stream)).toEqual({ pending: many - 1_000, cancelled: 1_000 });
      expect(await takenOf(stream)).toEqual([]);
      expect(await setStatus(stream, status)).toMatchObject({ status });
      expect(await countsOf(stream)).toEqual({ cancelled: many });
      await put(aSet(stream, { id: `new-${stream}` }));
      if (status === 'paused') await setStatus(stream, 'enabled');
      expect((await takenOf(stream)).map(({ id }) => id)).toContain(`new-${stream}`);
      const { rows } = await fixture.database.pool.query(
        'SELECT count(*)::int AS n FROM hub.audit_log WHERE target = $1',
        [stream],
      );
      expect(rows).toEqual([{ n: status === 'paused' ? 3 : 2 }]);
    },
  );
});

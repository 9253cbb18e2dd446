import { expect, it, vi } from 'vitest';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { insertSets } from '../../src/adapters/postgres/delivery-rows.ts';
import { sweepDeliveries } from '../../src/adapters/postgres/delivery-sweeps.ts';
import { createReplay } from '../../src/adapters/postgres/replay.ts';
import type { StreamId } from '../../src/core/vocabulary.ts';
import type { ReplayRange } from '../../src/transmitter/delivery-ports.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, idsOf, now, of } from '../support/deliveries.ts';

const later = now + 60_000;
const by = { actor: 'mara', atMs: later };

forEachDatabase('replay', (fixture) => {
  const { aStream, aSet, put, claim, stateOf } = deliveriesOf(fixture);
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const replay = (stream: StreamId, range: ReplayRange, dryRun = false, database = fixture.database) =>
    createReplay({ database, announcer })(stream, range, { dryRun, by });

  /** Dead SETs of ten principals in turn, one made each millisecond. */
  async function fill(stream: StreamId, count: number): Promise<void> {
    for (let from = 0; from < count; from += 1_000) {
      await fixture.database.pool.query(
        `INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, state, attempts,
            due_at_ms, created_at_ms, settled_at_ms, first_sent_at_ms, last_answer)
         SELECT $1 || '-' || n, $1, 'p' || n % 10, false, false, 'x', '{}', 'dead', 3, $2, $2::bigint + n, $2, $2, '{"status": 400}'
           FROM generate_series($3::int, $4::int) n`,
        [stream, now, from, Math.min(from + 1_000, count) - 1],
      );
    }
  }
  const countsOf = async (stream: StreamId) => {
    const { rows } = await fixture.database.pool.query<{ state: string; n: number }>(
      'SELECT state, count(*)::int AS n FROM hub.deliveries WHERE stream_id = $1 GROUP BY state',
      [stream],
    );
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  };
  const auditOf = async (stream: StreamId) => {
    const { rows } = await fixture.database.pool.query<{ count: number }>(
      `SELECT (detail ->> 'count')::int AS count FROM hub.audit_log
        WHERE action = 'delivery.replayed' AND target = $1 ORDER BY id`,
      [stream],
    );
    return rows.map(({ count }) => count);
  };
  /** Its `fatal`th transaction does not begin. */
  function dyingAt(fatal: number): Database {
    let begun = 0;
    const transact = (...args: Parameters<Database['transact']>) => {
      begun += 1;
      if (begun === fatal) throw new Error('killed');
      return fixture.database.transact(...args);
    };
    return { ...fixture.database, transact: transact as Database['transact'] };
  }

  it('makes due again what it counted before: all, those named, those made within a time', async () => {
    const stream = await aStream();
    await fill(stream, 5);
    const ranges: readonly [ReplayRange, number][] = [
      [{ untilMs: now - 1 }, 0],
      [{ ids: [`${stream}-1`, 'none'] }, 1],
      [{ fromMs: now + 1, untilMs: now + 2 }, 1],
      [{}, 3],
      [{}, 0],
    ];
    for (const [range, count] of ranges) {
      announced.length = 0;
      expect(await replay(stream, range, true)).toEqual({ count, outdated: 0, more: false });
      expect(announced).toEqual([]);
      expect(await replay(stream, range)).toEqual({ count, outdated: 0, more: false });
      expect(announced).toEqual(count === 0 ? [] : ['deliveries']);
    }
    expect(await auditOf(stream)).toEqual([1, 1, 3]);
    const claims = of(stream, await claim({ nowMs: later }));
    expect(claims.map(({ id, attempts }) => `${id} ${attempts}`).toSorted()).toEqual(
      [0, 1, 2, 3, 4].map((n) => `${stream}-${n} 1`),
    );
    expect(await stateOf(`${stream}-0`)).toMatchObject({ state: 'pending', last_answer: null });
  });

  it('DESIGN §4, §11: goes some at a time, oldest first, and on from where it was killed', async () => {
    const stream = await aStream();
    await fill(stream, 1_100);
    await expect(replay(stream, {}, false, dyingAt(3))).rejects.toThrow('killed');
    expect(await countsOf(stream)).toEqual({ pending: 1_000, dead: 100 });
    const { rows } = await fixture.database.pool.query<{ newest: number; oldest: number }>(
      `SELECT max(created_at_ms) FILTER (WHERE state = 'pending')::float8 AS newest,
              min(created_at_ms) FILTER (WHERE state = 'dead')::float8 AS oldest FROM hub.deliveries WHERE stream_id = $1`,
      [stream],
    );
    expect(rows).toEqual([{ newest: now + 999, oldest: now + 1_000 }]);
    expect(announced.at(-1)).toBe('deliveries');
    expect(await replay(stream, {}, true)).toEqual({ count: 100, outdated: 0, more: false });
    expect(await replay(stream, {})).toEqual({ count: 100, outdated: 0, more: false });
    expect(await auditOf(stream)).toEqual([500, 500, 100]);
    // Of each principal the first one.
    expect(idsOf(stream, await claim({ nowMs: later })).toSorted()).toEqual(
      Array.from({ length: 10 }, (_, n) => `${stream}-${n}`),
    );
  });

  it('one call ends after ten thousand, says that there may be more, and the next one does the rest', async () => {
    const stream = await aStream();
    await fill(stream, 10_500);
    expect(await replay(stream, {}, true)).toEqual({ count: 10_000, outdated: 0, more: true });
    expect(await replay(stream, {})).toEqual({ count: 10_000, outdated: 0, more: true });
    expect(await replay(stream, {})).toEqual({ count: 500, outdated: 0, more: false });
  });

  it('a disabled stream would drop them, and they stay dead; a paused one holds them', async () => {
    const stream = await aStream({ status: 'disabled' });
    await fill(stream, 2);
    for (const dryRun of [true, false]) {
      await expect(replay(stream, {}, dryRun)).rejects.toMatchObject({ code: 'stream-not-enabled' });
    }
    expect(await countsOf(stream)).toEqual({ dead: 2 });
    await fixture.database.pool.query("UPDATE hub.streams SET status = 'paused' WHERE id = $1", [stream]);
    expect(await replay(stream, {})).toEqual({ count: 2, outdated: 0, more: false });
  });

  it('what is replayed is given up on thirty days after that, not after it was made', async () => {
    const stream = await aStream({ status: 'paused' });
    const dayMs = 86_400_000;
    await put(aSet(stream, { id: `held-${stream}` }));
    const sweep = (atMs: number) => sweepDeliveries(fixture.database, atMs, new AbortController().signal);
    await sweep(now + 30 * dayMs + 1);
    expect(await stateOf(`held-${stream}`)).toMatchObject({
      state: 'dead',
      last_answer: { err: 'expired' },
    });
    const again = { actor: 'mara', atMs: now + 31 * dayMs };
    await createReplay({ database: fixture.database, announcer })(stream, {}, { dryRun: false, by: again });
    await sweep(now + 60 * dayMs);
    expect((await stateOf(`held-${stream}`)).state).toBe('pending');
    await sweep(now + 61 * dayMs + 1);
    expect((await stateOf(`held-${stream}`)).state).toBe('dead');
  });

  const disabled = { principal: 'p', family: 'account email', denies: true };
  const enabled = { ...disabled, denies: false };
  const settle = (id: string, state: string) =>
    fixture.database.pool.query('UPDATE hub.deliveries SET state = $2, settled_at_ms = $3 WHERE jti = $1', [
      id,
      state,
      now,
    ]);
  /** A dead SET, and one that came later. */
  async function aDeadOne(
    dead: Parameters<typeof aSet>[1],
    { state, ...later }: Parameters<typeof aSet>[1] & { readonly state: string },
  ) {
    const stream = await aStream();
    const ids = { dead: `dead-${stream}`, later: `later-${stream}` };
    await put(aSet(stream, { ...dead, id: ids.dead }));
    await settle(ids.dead, 'dead');
    await put(aSet(stream, { ...later, id: ids.later }));
    await settle(ids.later, state);
    return { stream, ids };
  }

  it.each([
    ['was disabled again, and that was delivered', enabled, { ...disabled, state: 'delivered' }, true],
    ['was disabled again, and that waits', enabled, { ...disabled, state: 'pending' }, true],
    ['was disabled again, and nobody was told', enabled, { ...disabled, state: 'dead' }, true],
    [
      'was disabled by another name',
      enabled,
      { ...disabled, family: 'account id', state: 'delivered' },
      true,
    ],
    [
      'was enabled by another name',
      disabled,
      { ...enabled, family: 'account id', state: 'delivered' },
      false,
    ],
    ['was enabled', disabled, { ...enabled, state: 'delivered' }, true],
    ['has a risk level', enabled, { ...disabled, family: 'risk email', state: 'delivered' }, false],
    ['is somebody else', enabled, { ...disabled, principal: 'q', state: 'delivered' }, false],
    ['was logged out', enabled, { principal: 'p', denies: true, state: 'delivered' }, false],
  ] as const)('DESIGN §11: what is dead is not sent again when the account %s: %#', async (...row) => {
    const [, dead, later, isOutdated] = row;
    const { stream, ids } = await aDeadOne(dead, later);
    const answer = { count: isOutdated ? 0 : 1, outdated: isOutdated ? 1 : 0, more: false };
    const range = { ids: [ids.dead] };
    expect(await replay(stream, range, true)).toEqual(answer);
    expect(await replay(stream, range)).toEqual(answer);
    expect((await stateOf(ids.dead)).state).toBe(isOutdated ? 'dead' : 'pending');
    const other = await aStream();
    await put(aSet(other, { ...dead, id: `other-${other}` }));
    await settle(`other-${other}`, 'dead');
    expect(await replay(other, {})).toMatchObject({ count: 1, outdated: 0 });
  });

  it('of opposites that are all dead the last is sent again', async () => {
    const stream = await aStream();
    const ids = ['disabled', 'enabled', 'again'].map((name) => `${name}-${stream}`);
    for (const [n, id] of ids.entries()) {
      await put(aSet(stream, { ...(n % 2 === 0 ? disabled : enabled), id }));
      await settle(id, 'dead');
    }
    expect(await replay(stream, {})).toEqual({ count: 1, outdated: 2, more: false });
    expect(idsOf(stream, await claim({ nowMs: later }))).toEqual([ids[2]]);
  });

  it.runIf(fixture.kind === 'server')(
    'an opposite that is committed while a replay is under way outdates what it sends again',
    async () => {
      const { stream } = await aDeadOne(enabled, { principal: 'q', state: 'delivered' });
      let replayed: ReturnType<typeof replay> | undefined;
      await fixture.database.transact(async (tx) => {
        await insertSets(tx, [aSet(stream, disabled)], now);
        let isDone = false;
        replayed = replay(stream, {}).finally(() => (isDone = true));
        await vi.waitFor(async () => expect(isDone || (await isSomebodyBlocked())).toBe(true), {
          timeout: 15_000,
          interval: 5,
        });
      });
      expect(await replayed).toEqual({ count: 0, outdated: 1, more: false });
    },
  );
  const isSomebodyBlocked = async () => {
    const { rowCount } = await fixture.database.pool.query(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    return rowCount === 1;
  };

  it('what outdates a dead SET is not forgotten before it', async () => {
    const dayMs = 86_400_000;
    const told = await aDeadOne(enabled, { ...disabled, state: 'delivered' });
    const alone = await aDeadOne(enabled, { ...disabled, principal: 'q', state: 'delivered' });
    await sweepDeliveries(fixture.database, now + 7 * dayMs + 1, new AbortController().signal);
    expect(await stateOf(told.ids.later)).toBeUndefined();
    expect(await replay(told.stream, {})).toEqual({ count: 0, outdated: 0, more: false });
    expect((await stateOf(told.ids.dead)).state).toBe('cancelled');
    expect(await replay(alone.stream, {})).toMatchObject({ count: 1 });
  });
});

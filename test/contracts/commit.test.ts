import { createHash } from 'node:crypto';
import { getTableColumns, is, sql } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/adapters/postgres/database.ts';
import * as auditSchema from '../../src/adapters/postgres/schema-audit.ts';
import * as clientsSchema from '../../src/adapters/postgres/schema-clients.ts';
import * as hooksSchema from '../../src/adapters/postgres/schema-hooks.ts';
import * as signingKeysSchema from '../../src/adapters/postgres/schema-signing-keys.ts';
import * as transmitterSchema from '../../src/adapters/postgres/schema-transmitter.ts';
import * as upstreamsSchema from '../../src/adapters/postgres/schema-upstreams.ts';
import * as schema from '../../src/adapters/postgres/schema.ts';
import type { HandledSignal } from '../../src/core/handled-signal.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aClient, aPipeline, aSource, aStatement } from '../support/statements.ts';

async function rowsOf<Row extends Record<string, unknown>>(
  database: Database,
  query: ReturnType<typeof sql>,
) {
  return (await database.db.execute<Row>(query)).rows;
}

const headOf = async (database: Database) => {
  const query = sql`SELECT epoch, seq::int AS seq, encode(check_value, 'hex') AS "check", digest::text[] AS digest FROM hub.feed_head`;
  const [head] = await rowsOf<{ epoch: string; seq: number; check: string; digest: string[] }>(
    database,
    query,
  );
  if (head === undefined) throw new Error('no head');
  return head;
};

const firstOf = ({ revocations: [entry] }: HandledSignal) => {
  if (entry === undefined) throw new Error('nothing was put');
  return entry;
};

forEachDatabase('commit', (fixture) => {
  describe('DESIGN §5: the feed', () => {
    it('chains what it says, and its digest is the sum over what stands', async () => {
      const { database } = fixture;
      const { handle, clock } = aPipeline(database);
      const source = aSource({ person: true });
      const subjects = Array.from({ length: 10 }, () => aClient());
      const put = await Promise.all(subjects.map((subject) => handle(aStatement({ source, subject }))));
      clock.aheadMs = 10_000;
      await Promise.all(subjects.slice(0, 4).map((subject) => handle(later(source, subject))));
      const lifts = put.slice(2, 6).map((one) => ({ revocation_id: firstOf(one).id }));
      await Promise.all(
        lifts.map((data) => handle(aStatement({ event: 'revocation-lifted', source, data }))),
      );

      const log = await rowsOf<{ seq: number; op: string; id: string; body: string; check: string }>(
        database,
        sql`SELECT seq::int AS seq, op, revocation_id AS id, body, encode(check_value, 'hex') AS "check" FROM hub.feed_log ORDER BY seq`,
      );
      let check = Buffer.alloc(8);
      for (const [index, row] of log.entries()) {
        const said = `${row.seq}${row.op}${row.id}${row.body}`;
        check = createHash('sha256').update(check).update(said).digest().subarray(0, 8);
        expect(row).toMatchObject({ seq: index + 1, check: check.toString('hex') });
      }
      const head = await headOf(database);
      expect(head).toMatchObject({ seq: log.length, check: check.toString('hex') });

      const standing = new Map<string, string>();
      for (const { op, id, seq } of log) {
        if (op === 'put') standing.set(id, `${id}${head.epoch}-${seq}`);
        else standing.delete(id);
      }
      expect(standing.size).toBe(6);
      expect(head.digest).toEqual(digestOf([...standing.values()]));
    });

    it('a repeated cut-off moves its entry forward and never back', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = aSource();
      const subject = aClient();
      const at = (eventTime: number) => handle(aStatement({ source, subject, eventTime }));
      const now = Math.floor(Date.now() / 1_000);
      const first = firstOf(await at(now - 100));
      const second = firstOf(await at(now - 50));
      expect(second).toMatchObject({ id: first.id, merged: true, cutOff: (first.cutOff ?? 0) + 50 });
      expect(second.position).not.toBe(first.position);
      const { seq } = await headOf(database);
      const third = await at(now - 80);
      expect(firstOf(third)).toMatchObject({
        id: first.id,
        cutOff: second.cutOff,
        position: second.position,
      });
      expect(third.lastSeq).toBe(Number(second.position?.split('-')[1]));
      expect((await headOf(database)).seq).toBe(seq);
    });

    it('two sources never move each other', async () => {
      const { handle } = aPipeline(fixture.database);
      const subject = aClient();
      const [one, other] = [await handle(aStatement({ subject })), await handle(aStatement({ subject }))];
      expect(firstOf(one).id).not.toBe(firstOf(other).id);
    });

    it('a session-revoked after a disable leaves the client disabled', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = aSource();
      const subject = aClient();
      await handle(aStatement({ source, subject, event: 'account-disabled' }));
      await handle(aStatement({ source, subject, event: 'session-revoked' }));
      const disabling = sql`SELECT count(*)::int AS n FROM hub.revocations WHERE state = 'live' AND cut_off IS NULL
        AND lapses_at IS NULL AND effect = 'deny' AND match = ${JSON.stringify(subject)}::jsonb`;
      expect(await rowsOf(database, disabling)).toEqual([{ n: 1 }]);
    });

    it('lifting a disable leaves a cut-off behind, and the feed says so before the lift', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = aSource();
      const subject = aClient();
      await handle(aStatement({ source, subject, event: 'account-disabled' }));
      const lifted = await handle(aStatement({ source, subject, event: 'account-enabled' }));
      const seq = (position = '') => Number(position.split('-')[1]);
      const left = firstOf(lifted);
      expect(left).toMatchObject({ match: subject, effect: 'deny', cutOff: expect.any(Number) });
      expect(lifted.lifted).toHaveLength(1);
      expect(seq(left.position)).toBeLessThan(seq(lifted.lifted[0]?.position));
      expect(lifted.lastSeq).toBe(seq(lifted.lifted[0]?.position));
    });

    it('a disable and its end, told at once and in any order, end as their event times say', async () => {
      const { database } = fixture;
      const now = Date.now() / 1_000;
      for (const order of [
        ['account-disabled', 'account-enabled'],
        ['account-enabled', 'account-disabled'],
      ]) {
        const { handle } = aPipeline(database);
        const source = aSource();
        const subject = aClient();
        const times = { 'account-disabled': now - 60, 'account-enabled': now - 30 };
        const said = order.map((event) => ({ event, eventTime: times[event as keyof typeof times] }));
        // The first of all runs alone; those behind it would share a transaction if they could.
        const group = [aStatement(), ...said.map((one) => aStatement({ source, subject, ...one }))];
        await Promise.all(group.map((statement) => handle(statement)));
        const disabling = sql`SELECT count(*)::int AS n FROM hub.revocations WHERE state = 'live' AND cut_off IS NULL
          AND match = ${JSON.stringify(subject)}::jsonb`;
        expect(await rowsOf(database, disabling), order.join()).toEqual([{ n: 0 }]);
      }
    });

    it('an entry is lifted once, however often that is ordered at once', async () => {
      const nodes = [aPipeline(fixture.database), aPipeline(fixture.database)];
      const { handle } = aPipeline(fixture.database);
      for (let round = 0; round < 8; round++) {
        const id = firstOf(await handle(aStatement({ event: 'account-disabled' }))).id;
        const order = () => aStatement({ event: 'revocation-lifted', data: { revocation_id: id } });
        const orders = nodes.flatMap((node) => [order(), order(), order()].map((one) => node.handle(one)));
        const lifted = (await Promise.all(orders)).flatMap((one) => one.lifted);
        expect(lifted.map((lift) => lift.id)).toEqual([id]);
      }
    });
  });

  describe('DESIGN §5: a database that does not answer', () => {
    it('acknowledges nothing and leaves nothing half-written, and goes on afterwards', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = aSource();
      const client = await database.pool.connect();
      const before = await headOf(database);
      await client.query('BEGIN');
      await client.query('LOCK TABLE hub.feed_head IN ACCESS EXCLUSIVE MODE');
      const refused = handle(aStatement({ source }));
      if (fixture.kind === 'server') {
        await expect(refused).rejects.toMatchObject({ code: 'storage-timeout' });
        await client.query('ROLLBACK');
        const count = sql`SELECT count(*)::int AS n FROM hub.signals WHERE source_id = ${source.id}`;
        expect(await rowsOf(database, count)).toEqual([{ n: 0 }]);
        expect(await headOf(database)).toEqual(before);
      } else {
        await client.query('ROLLBACK');
        await refused;
      }
      client.release();
      expect((await handle(aStatement({ source }))).outcome).toBe('applied');
    });
  });

  it('the Drizzle schema has every column of the migrated tables, and no other', async () => {
    const tables = [
      schema,
      auditSchema,
      clientsSchema,
      hooksSchema,
      transmitterSchema,
      signingKeysSchema,
      upstreamsSchema,
    ]
      .flatMap((one) => Object.values<unknown>(one))
      .flatMap((one) => (is(one, PgTable) ? [one] : []));
    const mirrored = tables.flatMap((table) =>
      Object.values(getTableColumns(table)).map(
        (column) => `${getTableConfig(table).name}.${column.name} ${column.notNull ? 'not null' : 'null'}`,
      ),
    );
    const found = await rowsOf<{ line: string }>(
      fixture.database,
      sql`SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE ' null' END AS line
            FROM information_schema.columns WHERE table_schema = 'hub' AND table_name <> 'migrations'`,
    );
    expect(mirrored.sort()).toEqual(found.map(({ line }) => line).sort());
  });
});

const later = (source: ReturnType<typeof aSource>, subject: ReturnType<typeof aClient>) =>
  aStatement({ source, subject, receivedAtMs: Date.now() + 10_000 });

/** The four lanes, as text. */
function digestOf(entries: readonly string[]): readonly string[] {
  const lanes = [0n, 0n, 0n, 0n];
  for (const entry of entries) {
    const hash = createHash('sha256').update(entry).digest();
    for (let lane = 0; lane < 4; lane++) {
      lanes[lane] = ((lanes[lane] ?? 0n) + BigInt(hash.readUInt32BE(lane * 4))) & 0xffffffffn;
    }
  }
  return lanes.map(String);
}

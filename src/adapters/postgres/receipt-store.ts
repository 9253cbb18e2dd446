import { getTableColumns, gte, lte, or, sql } from 'drizzle-orm';
import { pointName } from '../../core/vocabulary.ts';
import {
  type FedLease,
  type Instance,
  instancesMax,
  pointInstancesMax,
  type Receipt,
  type ReceiptStore,
  type SignalEntries,
} from '../../points/ports.ts';
import type { Database, Statements } from './database.ts';
import { pointInstances, receiptNotes, receipts } from './schema.ts';

export function createReceiptStore({ database }: { readonly database: Database }): ReceiptStore {
  return {
    async write({ instances, receipts: rows, denials, fed }) {
      await database.transact(async (tx) => {
        if (instances.length > 0) await writeInstances(tx, instances);
        if (fed.length > 0) await writeFed(tx, fed);
        if (rows.length > 0) await tx.insert(receipts).values(rows.map(toReceiptRow)).onConflictDoNothing();
        if (denials.length > 0)
          await tx
            .insert(receiptNotes)
            .values([...denials])
            .onConflictDoNothing();
      });
    },

    async readInstances(sinceMs) {
      const heard = database.db
        .select({
          ...getTableColumns(pointInstances),
          place:
            sql<number>`row_number() OVER (PARTITION BY ${pointInstances.point} ORDER BY ${latestFirst})`.as(
              'place',
            ),
        })
        .from(pointInstances)
        .where(or(gte(pointInstances.lastSeenMs, sinceMs), gte(pointInstances.fedUntilMs, sinceMs)))
        .as('heard');
      const rows = await database.db
        .select()
        .from(heard)
        .where(lte(heard.place, pointInstancesMax))
        .orderBy(latestFirst)
        .limit(instancesMax);
      return rows.map(toInstance);
    },

    async readFirstReceipts(seq) {
      const { rows } = await database.db.execute<FirstReceipt>(sql`
        SELECT i.point, i.instance, r.after_seq::float8 AS after_seq, r.through_seq::float8 AS through_seq,
               r.received_at_ms::float8 AS received_at_ms
          FROM hub.point_instances i
         CROSS JOIN LATERAL (SELECT * FROM hub.receipts r
                              WHERE r.point = i.point AND r.instance = i.instance AND r.through_seq >= ${seq}
                              ORDER BY r.through_seq LIMIT 1) r
         WHERE r.after_seq < ${seq}`);
      return rows.map((row) => ({
        point: pointName(row.point),
        instance: row.instance,
        afterSeq: row.after_seq,
        throughSeq: row.through_seq,
        receivedAtMs: row.received_at_ms,
      }));
    },

    async readSignalEntries({ signalId, lastSeq }) {
      const share = JSON.stringify([{ signal_id: signalId }]);
      const { rows } = await database.db.execute<SignalRow>(sql`
        WITH put AS (
          SELECT r.id, r.effect FROM hub.revocations r WHERE r.signal_id = ${signalId} AND r.state = 'live'
           UNION
          SELECT r.id, r.effect FROM hub.revocations r
           WHERE r.state = 'live' AND r.shares <> '[]' AND r.shares @> ${share}::jsonb)
        SELECT coalesce((SELECT l.committed_at_ms FROM hub.feed_log l WHERE l.seq = ${lastSeq}),
                        (SELECT max(r.committed_at_ms) FROM hub.revocations r
                          WHERE r.signal_id = ${signalId} AND r.seq <= ${lastSeq}),
                        (SELECT s.received_at_ms FROM hub.signals s WHERE s.id = ${signalId}))::float8 AS committed_at_ms,
               (SELECT coalesce(json_agg(put), '[]') FROM put) AS puts`);
      const [found] = rows;
      if (found === undefined || found.committed_at_ms === null) return undefined;
      return { committedAtMs: found.committed_at_ms, puts: found.puts };
    },
  };
}

/** Those that are waited for come before those that left. */
const latestFirst = sql`left_at_ms IS NOT NULL, last_seen_ms DESC`;

type FirstReceipt = {
  readonly point: string;
  readonly instance: string;
  readonly after_seq: number;
  readonly through_seq: number;
  readonly received_at_ms: number;
};
type SignalRow = {
  readonly committed_at_ms: number | null;
  readonly puts: SignalEntries['puts'];
};

async function writeInstances(tx: Statements, instances: readonly Instance[]): Promise<void> {
  await tx
    .insert(pointInstances)
    .values(instances.map(toInstanceRow))
    .onConflictDoUpdate({
      target: [pointInstances.point, pointInstances.instance],
      set: {
        declared: sql`excluded.declared`,
        appliedEpoch: sql`excluded.applied_epoch`,
        appliedSeq: sql`excluded.applied_seq`,
        lastSeenMs: sql`excluded.last_seen_ms`,
        reported: sql`excluded.reported`,
        leftAtMs: sql`excluded.left_at_ms`,
      },
      setWhere: sql`${pointInstances.lastSeenMs} <= excluded.last_seen_ms`,
    });
}

async function writeFed(tx: Statements, fed: readonly FedLease[]): Promise<void> {
  await tx.execute(sql`
    UPDATE hub.point_instances AS i SET fed_until_ms = f.until_ms
      FROM unnest(${sql.param(fed.map(({ point }) => point))}::text[],
                  ${sql.param(fed.map(({ instance }) => instance))}::text[],
                  ${sql.param(fed.map(({ fedUntilMs }) => Math.round(fedUntilMs)))}::bigint[]) AS f (point, instance, until_ms)
     WHERE i.point = f.point AND i.instance = f.instance`);
}

const toInstanceRow = (instance: Instance): typeof pointInstances.$inferInsert => ({
  point: instance.point,
  instance: instance.instance,
  declared: instance.declared,
  reported: instance.reported,
  appliedEpoch: instance.appliedEpoch ?? null,
  appliedSeq: instance.appliedSeq ?? null,
  firstSeenMs: instance.firstSeenMs,
  lastSeenMs: instance.lastSeenMs,
  leftAtMs: instance.leftAtMs ?? null,
});

const toInstance = (row: typeof pointInstances.$inferSelect): Instance => ({
  point: pointName(row.point),
  instance: row.instance,
  declared: row.declared,
  reported: row.reported,
  ...(row.appliedEpoch !== null && { appliedEpoch: row.appliedEpoch }),
  ...(row.appliedSeq !== null && { appliedSeq: row.appliedSeq }),
  firstSeenMs: row.firstSeenMs,
  lastSeenMs: row.lastSeenMs,
  ...(row.fedUntilMs !== null && { fedUntilMs: row.fedUntilMs }),
  ...(row.leftAtMs !== null && { leftAtMs: row.leftAtMs }),
});

const toReceiptRow = (receipt: Receipt): typeof receipts.$inferInsert => ({
  ...receipt,
  appliedAfterMs: receipt.appliedAfterMs ?? null,
});

import { sql } from 'drizzle-orm';
import { formatDigest } from '../../core/feed.ts';
import { putBody } from '../../pipeline/feed-body.ts';
import type { FeedLog, LiveRow, LogRow } from '../../points/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { revocationJson, revocationOf, type RevocationRow } from './revocation-rows.ts';

/** The head and the rows below it come from one look of one statement: whatever the head counts is among the rows. */
const readAfterSql = `
  SELECT h.epoch AS head_epoch, h.seq::float8 AS head_seq, encode(h.check_value, 'hex') AS head_check,
         h.digest::float8[] AS head_digest, l.seq::float8 AS seq, l.epoch, l.op, l.revocation_id, l.body,
         encode(l.check_value, 'hex') AS check_value, l.committed_at_ms::float8 AS committed_at_ms
    FROM hub.feed_head h
    LEFT JOIN LATERAL (SELECT * FROM hub.feed_log WHERE seq > $1 ORDER BY seq LIMIT $2) l ON true
   ORDER BY l.seq`;

type HeadColumns = {
  readonly head_epoch: string;
  readonly head_seq: number;
  readonly head_check: string;
  readonly head_digest: readonly number[];
};
type LogColumns = {
  readonly seq: number;
  readonly epoch: string;
  readonly op: LogRow['op'];
  readonly revocation_id: string;
  readonly body: string;
  readonly check_value: string;
  readonly committed_at_ms: number;
};

export function createFeedLog({ database }: { readonly database: Database }): FeedLog {
  return {
    async readAfter(seq, limit) {
      const { rows } = await database.pool.query<HeadColumns & (LogColumns | { readonly seq: null })>(
        readAfterSql,
        [seq, limit],
      );
      const [head] = rows;
      if (head === undefined) throw new Error('hub.feed_head has no row');
      return {
        head: {
          epoch: head.head_epoch,
          seq: head.head_seq,
          check: head.head_check,
          digest: formatDigest(head.head_digest),
        },
        rows: rows.flatMap((row) => (row.seq === null ? [] : [toLogRow(row)])),
      };
    },

    async readLive(seq, limit) {
      const { rows } = await database.db.execute<LiveColumns>(sql`
        SELECT r.seq::float8 AS seq, r.epoch, r.committed_at_ms::float8 AS committed_at_ms, ${revocationJson} AS entry
          FROM hub.revocations r
         WHERE r.state = 'live' AND r.seq > ${seq} AND r.seq > 0
         ORDER BY r.seq LIMIT ${limit}`);
      return rows.map(toLiveRow);
    },

    openEpoch: ({ epoch, because, intervalMs, audit }) =>
      database.transact(async (tx) => {
        const { rows } = await tx.execute<{ epoch: string }>(sql`
          UPDATE hub.feed_head SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 8),
                 opened_at_ms = ${audit.atMs}, opened_because = ${because}
           WHERE epoch = ${epoch} AND (opened_because = 'first start' OR opened_at_ms <= ${audit.atMs - intervalMs})
          RETURNING epoch`);
        const [opened] = rows;
        if (opened === undefined) return 'not-now' as const;
        await insertAudit(tx, [{ ...audit, detail: { ...audit.detail, epoch: opened.epoch } }]);
        return 'opened' as const;
      }),
  };
}

const toLogRow = (row: LogColumns): LogRow => ({
  seq: row.seq,
  epoch: row.epoch,
  op: row.op,
  revocationId: row.revocation_id,
  body: row.body,
  check: row.check_value,
  committedAtMs: row.committed_at_ms,
});

type LiveColumns = {
  readonly seq: number;
  readonly epoch: string;
  readonly committed_at_ms: number;
  readonly entry: RevocationRow;
};

const toLiveRow = ({ seq, epoch, committed_at_ms: committedAtMs, entry }: LiveColumns): LiveRow => ({
  seq,
  epoch,
  revocationId: entry.id,
  body: putBody(revocationOf(entry)),
  committedAtMs,
});

import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { setId } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { DeadLetter, DeadLetters } from '../../transmitter/delivery-ports.ts';
import type { PushAnswer } from '../../transmitter/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { deliveries } from './schema-transmitter.ts';

/** Replayed by one call. */
const replayMax = 10_000;

export function createDeadLetters(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): DeadLetters {
  const { database, announcer } = options;
  return {
    async list(stream, { after = 0, limit }) {
      const rows = await database.db
        .select()
        .from(deliveries)
        .where(and(eq(deliveries.streamId, stream), eq(deliveries.state, 'dead'), gt(deliveries.seq, after)))
        .orderBy(asc(deliveries.seq))
        .limit(limit);
      return rows.map(
        (row): DeadLetter => ({
          seq: row.seq,
          id: setId(row.jti),
          eventType: row.eventType,
          ...(row.signalId === null ? {} : { signalId: row.signalId }),
          attempts: row.attempts,
          createdAtMs: row.createdAtMs,
          settledAtMs: row.settledAtMs ?? row.createdAtMs,
          answer: (row.lastAnswer ?? {}) as PushAnswer,
        }),
      );
    },

    async replay(stream, { ids, fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER }, { dryRun, by }) {
      const which = sql`d.stream_id = ${stream} AND d.state = 'dead' AND d.created_at_ms >= ${fromMs}
        AND d.created_at_ms <= ${untilMs} AND (${ids === undefined} OR d.jti = ANY (${sql.param(ids ?? [])}::text[]))`;
      if (dryRun) {
        const { rows } = await database.db.execute<{ n: number }>(
          sql`SELECT count(*)::int AS n FROM (SELECT FROM hub.deliveries d WHERE ${which} LIMIT ${replayMax}) counted`,
        );
        return rows[0]?.n ?? 0;
      }
      const replayed = await database.transact(async (tx) => {
        const { rowCount } = await tx.execute(sql`
          UPDATE hub.deliveries SET state = 'pending', attempts = 0, due_at_ms = ${by.atMs}, settled_at_ms = NULL,
                 claimed_until_ms = 0, created_at_ms = ${by.atMs}, first_sent_at_ms = NULL, last_answer = NULL
           WHERE seq IN (SELECT d.seq FROM hub.deliveries d WHERE ${which} ORDER BY d.seq LIMIT ${replayMax})`);
        const count = rowCount ?? 0;
        if (count > 0) {
          await insertAudit(tx, [
            { ...by, action: 'delivery.replayed', target: stream, outcome: 'done', detail: { count } },
          ]);
        }
        return count;
      });
      if (replayed > 0) announcer.announce('deliveries');
      return replayed;
    },
  };
}

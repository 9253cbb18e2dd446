import { and, desc, eq, sql } from 'drizzle-orm';
import type { SignalReader, SignalRecord } from '../../intake/ports.ts';
import { sourceId } from '../../core/vocabulary.ts';
import type { Database } from './database.ts';
import { signals } from './schema.ts';
import { answerOf } from './signal-rows.ts';

export const createSignalReader = ({ database }: { readonly database: Database }): SignalReader => ({
  async list(filter, { after, limit }) {
    const rows = await database.db
      .select()
      .from(signals)
      .where(
        and(
          filter.sourceId === undefined ? undefined : eq(signals.sourceId, filter.sourceId),
          filter.outcome === undefined ? undefined : eq(signals.outcome, filter.outcome),
          after && sql`(${signals.receivedAtMs}, ${signals.id}) < (${after.receivedAtMs}, ${after.id})`,
        ),
      )
      .orderBy(desc(signals.receivedAtMs), desc(signals.id))
      .limit(limit);
    return rows.map(recordOf);
  },

  async find(id) {
    const [row] = await database.db.select().from(signals).where(eq(signals.id, id));
    return row && recordOf(row);
  },
});

export const recordOf = (row: typeof signals.$inferSelect): SignalRecord => ({
  sourceId: sourceId(row.sourceId),
  actor: row.actor,
  ...(row.externalId === null ? {} : { externalId: row.externalId }),
  eventType: row.eventType,
  subject: row.statement.subject,
  data: row.statement.data,
  eventTime: row.eventTime,
  ...(row.statement.confidence === undefined ? {} : { confidence: row.statement.confidence }),
  ...(row.statement.reason === undefined ? {} : { reason: row.statement.reason }),
  answer: answerOf(row, false),
});

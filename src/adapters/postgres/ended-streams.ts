import { asc, eq, type SQL, sql } from 'drizzle-orm';
import { streamUpdatedEventType } from '../../core/set-claims.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { Database } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';
import { deletedStreams } from './schema-transmitter.ts';

/**
 * Ends what streams left behind that are disabled or deleted. Nothing of it could leave any more: this only makes room. Each
 * statement is a transaction of its own, and what it leaves the next one finds, after whatever interruption.
 *
 * @see DESIGN §4
 */
export async function sweepEndedStreams(database: Database, nowMs: Millis, stop: AbortSignal): Promise<void> {
  /** @returns whether there is nothing left. */
  const all = async (statement: SQL): Promise<boolean> => {
    for (let rows = rowsPerStatementMax; rows === rowsPerStatementMax; ) {
      if (stop.aborted) return false;
      rows = (await database.db.execute(statement)).rowCount ?? 0;
    }
    return true;
  };
  await all(sql`
    UPDATE hub.deliveries SET state = 'cancelled', settled_at_ms = ${nowMs} WHERE state = 'pending' AND seq = ANY (ARRAY(
      SELECT d.seq FROM hub.streams s CROSS JOIN LATERAL (
        SELECT e.seq FROM hub.deliveries e
         WHERE e.stream_id = s.id AND e.state = 'pending' AND e.event_type <> ${streamUpdatedEventType}
         ORDER BY e.seq LIMIT ${rowsPerStatementMax} FOR UPDATE SKIP LOCKED) d
       WHERE s.status = 'disabled' LIMIT ${rowsPerStatementMax}))`);
  const deleted = await database.db
    .select()
    .from(deletedStreams)
    .orderBy(asc(deletedStreams.id))
    .limit(rowsPerStatementMax);
  for (const { id } of deleted) {
    const isGone =
      (await all(sql`
        DELETE FROM hub.deliveries WHERE seq = ANY (ARRAY(
          SELECT seq FROM hub.deliveries WHERE stream_id = ${id} ORDER BY seq LIMIT ${rowsPerStatementMax}))`)) &&
      (await all(sql`
        DELETE FROM hub.stream_subjects WHERE stream_id = ${id} AND subject_key = ANY (ARRAY(
          SELECT subject_key FROM hub.stream_subjects WHERE stream_id = ${id} ORDER BY subject_key LIMIT ${rowsPerStatementMax}))`));
    if (isGone) await database.db.delete(deletedStreams).where(eq(deletedStreams.id, id));
  }
}

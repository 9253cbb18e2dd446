import { sql } from 'drizzle-orm';
import type { Millis } from '../../core/vocabulary.ts';
import type { Database } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';
import { deadOutdatedBy } from './outdated-deliveries.ts';

const dayMs = 24 * 60 * 60_000;
/** Delivered and cancelled ones are looked at for so long. */
const settledKeptMs = 7 * dayMs;
/** Dead ones may be replayed for so long; those that are held by a pause wait so long, and again after a replay. */
const deadKeptMs = 30 * dayMs;
/** SETs that one stream may have waiting: of more the oldest are given up. Published as the buffer of a paused stream. */
const pendingPerStreamMax = 100_000;

/**
 * Forgets what nobody asks for any more, and gives up what has waited too long or is too much.
 *
 * @returns how many rows were touched.
 * @see SSF 1.0 §8.1.2.1, IOP §2.3.5
 */
export async function sweepDeliveries(database: Database, nowMs: Millis, stop: AbortSignal): Promise<number> {
  const givenUp = JSON.stringify({ err: 'expired', description: 'It waited too long.', at_ms: nowMs });
  const steps = [
    // With it goes what it outdates: nobody would see any more that this must not be sent again.
    sql`WITH gone AS MATERIALIZED (
      SELECT seq, stream_id, principal, family, denies FROM hub.deliveries
       WHERE state IN ('delivered', 'cancelled') AND settled_at_ms < ${nowMs - settledKeptMs} LIMIT ${rowsPerStatementMax}),
    outdated AS (
      UPDATE hub.deliveries SET state = 'cancelled', settled_at_ms = ${nowMs} WHERE seq = ANY (ARRAY(
        SELECT d.seq FROM gone CROSS JOIN LATERAL (${deadOutdatedBy(sql.raw('gone'))} OFFSET 0) d)))
    DELETE FROM hub.deliveries WHERE seq = ANY (ARRAY(SELECT seq FROM gone))`,
    sql`DELETE FROM hub.deliveries WHERE seq = ANY (ARRAY(
      SELECT seq FROM hub.deliveries WHERE state = 'dead' AND settled_at_ms < ${nowMs - deadKeptMs}
       LIMIT ${rowsPerStatementMax}))`,
    sql`UPDATE hub.deliveries SET state = 'dead', settled_at_ms = ${nowMs}, last_answer = ${givenUp}::jsonb
         WHERE seq = ANY (ARRAY(
      SELECT d.seq FROM hub.streams s CROSS JOIN LATERAL (
        SELECT e.seq, e.due_at_ms FROM hub.deliveries e WHERE e.stream_id = s.id AND e.state = 'pending'
         ORDER BY e.seq LIMIT ${rowsPerStatementMax}) d
       WHERE d.due_at_ms < ${nowMs - deadKeptMs} LIMIT ${rowsPerStatementMax}))`,
    sql`UPDATE hub.deliveries SET state = 'dead', settled_at_ms = ${nowMs}, last_answer = ${givenUp}::jsonb
         WHERE seq = ANY (ARRAY(
      SELECT d.seq FROM hub.streams s CROSS JOIN LATERAL (
        SELECT e.seq FROM hub.deliveries e WHERE e.stream_id = s.id AND e.state = 'pending'
         ORDER BY e.seq DESC OFFSET ${pendingPerStreamMax} LIMIT ${rowsPerStatementMax}) d
       LIMIT ${rowsPerStatementMax}))`,
  ];
  let total = 0;
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      for (let rows = rowsPerStatementMax; rows === rowsPerStatementMax && !stop.aborted; ) {
        rows = (await database.db.execute(step)).rowCount ?? 0;
        total += rows;
      }
    } catch (error) {
      // What one step cannot do keeps no other from its work.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'deliveries were not all swept');
  return total;
}

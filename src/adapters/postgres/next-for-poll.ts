import { type SQL, sql } from 'drizzle-orm';
import { streamUpdatedEventType } from '../../core/set-claims.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { lookedAtMax, nextOf } from './next-deliveries.ts';

/**
 * What a poll of a stream may take, as `seq` and the `turn` in which it is its own: kills that are the first of their
 * principal, then of the oldest what is not behind something that is handed out. A stream that is not enabled still tells
 * that it was paused or disabled, and nothing else.
 *
 * @see SSF 1.0 §8.1.5
 */
export function nextForPoll(stream: SQL, nowMs: Millis, limit: number): SQL {
  const isEnabled = sql`(SELECT status FROM hub.streams WHERE id = ${stream}) = 'enabled'`;
  return sql`
    WITH kills AS MATERIALIZED (
      SELECT seq FROM (${nextOf(stream, sql`claimed_until_ms <= ${nowMs} AND denies`, limit)}) n WHERE ${isEnabled}),
    oldest AS MATERIALIZED (
      SELECT seq, principal, claimed_until_ms > ${nowMs} AS is_out FROM hub.deliveries
       WHERE state = 'pending' AND stream_id >= ${stream} AND stream_id <= ${stream}
         AND (${isEnabled} OR (control AND event_type = ${streamUpdatedEventType}))
       ORDER BY stream_id, seq LIMIT ${lookedAtMax}),
    rest AS (
      SELECT seq FROM (
        SELECT seq, bool_or(is_out) OVER (PARTITION BY principal ORDER BY seq) AS is_out_before FROM oldest) o
       WHERE NOT is_out_before ORDER BY seq LIMIT ${limit})
    SELECT seq, min(turn) AS turn FROM (
      SELECT seq, 0 AS turn FROM kills UNION ALL SELECT seq, 1 FROM rest) found GROUP BY seq`;
}

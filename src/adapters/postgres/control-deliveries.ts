import { sql } from 'drizzle-orm';
import { type SetClaims, streamUpdatedEventType } from '../../core/set-claims.ts';
import type { Millis, StreamId } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';
import { deliveries } from './schema-transmitter.ts';

/** SETs about the stream itself: due now, in order, and also when it is paused. */
export async function insertControlSets(
  tx: Statements,
  id: StreamId,
  sets: readonly SetClaims[],
  atMs: Millis,
): Promise<void> {
  if (sets.length === 0) return;
  await tx.insert(deliveries).values(
    sets.map((claims) => ({
      jti: claims.jti,
      streamId: id,
      principal: `stream:${id}`,
      // Goes before whatever else waits.
      denies: true,
      control: true,
      eventType: Object.keys(claims.events)[0] ?? '',
      claims,
      dueAtMs: atMs,
      createdAtMs: atMs,
    })),
  );
}

/**
 * What is pending will not be sent, except what says how the status of the stream changed: a poll may still fetch that.
 *
 * @returns whether that was all of it: at most a thousand go at a time.
 */
export async function dropPending(tx: Statements, id: StreamId, atMs: Millis): Promise<boolean> {
  const { rowCount } = await tx.execute(sql`
    WITH dropped AS (
      SELECT seq FROM hub.deliveries
       WHERE stream_id = ${id} AND state = 'pending' AND event_type <> ${streamUpdatedEventType}
       ORDER BY seq LIMIT ${rowsPerStatementMax} FOR UPDATE)
    UPDATE hub.deliveries d SET state = 'cancelled', settled_at_ms = ${atMs} FROM dropped WHERE d.seq = dropped.seq`);
  return (rowCount ?? 0) < rowsPerStatementMax;
}

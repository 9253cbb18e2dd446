import { sql } from 'drizzle-orm';
import { type SetClaims, streamUpdatedEventType } from '../../core/set-claims.ts';
import type { Millis, StreamId } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';
import { deliveries } from './schema-transmitter.ts';

/** Rows of one statement. */
const ROWS_MAX = 1_000;

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

/** What is pending will not be sent, except what says how the status of the stream changed: a poll may still fetch that. */
export async function dropPending(tx: Statements, id: StreamId, atMs: Millis): Promise<void> {
  await untilNone(
    tx,
    sql`
    UPDATE hub.deliveries SET state = 'cancelled', settled_at_ms = ${atMs} WHERE seq = ANY (ARRAY(
      SELECT seq FROM hub.deliveries
       WHERE stream_id = ${id} AND state = 'pending' AND event_type <> ${streamUpdatedEventType} LIMIT ${ROWS_MAX}))`,
  );
}

/** Everything that hangs on a stream, in statements that end in time: a cascade over a long queue would not. */
export async function deleteDependants(tx: Statements, id: StreamId): Promise<void> {
  await untilNone(
    tx,
    sql`
    DELETE FROM hub.deliveries WHERE seq = ANY (ARRAY(
      SELECT seq FROM hub.deliveries WHERE stream_id = ${id} LIMIT ${ROWS_MAX}))`,
  );
  await untilNone(
    tx,
    sql`
    DELETE FROM hub.stream_subjects WHERE stream_id = ${id} AND subject_key = ANY (ARRAY(
      SELECT subject_key FROM hub.stream_subjects WHERE stream_id = ${id} LIMIT ${ROWS_MAX}))`,
  );
}

async function untilNone(tx: Statements, statement: ReturnType<typeof sql>): Promise<void> {
  for (let rows = ROWS_MAX; rows === ROWS_MAX; ) rows = (await tx.execute(statement)).rowCount ?? 0;
}

import { sql } from 'drizzle-orm';
import type { PlannedSet } from '../../core/fan-out.ts';
import type { Millis, SignalId } from '../../core/vocabulary.ts';
import { chunksOf } from './chunks.ts';
import type { Statements } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';

export type NewDelivery = PlannedSet & { readonly signalId?: SignalId; readonly control?: boolean };

/**
 * Puts SETs on their way, due at once. Of one principal and family only the newest need be sent: those before it that
 * nobody has begun to send are cancelled.
 *
 * @see SSF 1.0 §8.1.2.1
 */
export async function insertSets(tx: Statements, sets: readonly NewDelivery[], nowMs: Millis): Promise<void> {
  const outdating = sets.filter(({ family }) => family !== undefined);
  // All of it before the first insert: what one signal says of several names outdates nothing of itself.
  for (const chunk of chunksOf(outdating, rowsPerStatementMax)) await cancelOutdated(tx, chunk, nowMs);
  for (const chunk of chunksOf(sets, rowsPerStatementMax)) await insertChunk(tx, chunk, nowMs);
}

/** What somebody claims at this moment is on its way, and goes first. */
async function cancelOutdated(
  tx: Statements,
  outdating: readonly NewDelivery[],
  nowMs: Millis,
): Promise<void> {
  await tx.execute(sql`
    UPDATE hub.deliveries SET state = 'cancelled', settled_at_ms = ${nowMs} WHERE seq IN (
      SELECT d.seq FROM unnest(${sql.param(outdating.map(({ streamId }) => streamId))}::text[],
                               ${sql.param(outdating.map(({ principal }) => principal))}::text[],
                               ${sql.param(outdating.map(({ family }) => family))}::text[]) AS x (stream_id, principal, family)
       CROSS JOIN LATERAL (
         SELECT d.seq FROM hub.deliveries d
          WHERE d.state = 'pending' AND d.stream_id = x.stream_id AND d.principal = x.principal AND d.family = x.family
            AND d.attempts = 0 AND d.compact IS NULL AND d.claimed_until_ms = 0
          ORDER BY d.seq FOR UPDATE SKIP LOCKED) d)`);
}

async function insertChunk(tx: Statements, sets: readonly NewDelivery[], nowMs: Millis): Promise<void> {
  const rows = sets.map((set) => ({
    jti: set.claims.jti,
    stream_id: set.streamId,
    principal: set.principal,
    denies: set.denies,
    control: set.control ?? false,
    family: set.family,
    event_type: set.eventType,
    signal_id: set.signalId,
    claims: set.claims,
  }));
  // A stream that was deleted meanwhile needs nothing more.
  await tx.execute(sql`
    INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, family, event_type, signal_id, claims,
        due_at_ms, created_at_ms)
    SELECT x.jti, x.stream_id, x.principal, x.denies, x.control, x.family, x.event_type, x.signal_id, x.claims, ${nowMs}, ${nowMs}
      FROM json_to_recordset(${JSON.stringify(rows)}::json) AS x (jti text, stream_id text, principal text, denies boolean,
        control boolean, family text, event_type text, signal_id text, claims jsonb)
     CROSS JOIN LATERAL (SELECT FROM hub.streams s WHERE s.id = x.stream_id AND s.status <> 'disabled' FOR KEY SHARE) s`);
}

import { type SQL, sql } from 'drizzle-orm';

/** Of one stream so many are looked at for what may go next. */
export const lookedAtMax = 512;
/** Where those all wait for others of their principals, so many principals are gone through for their first. */
const principalsMax = 4_096;

// Each of the following is ordered by all columns of the one index that it is meant for, and bounded where it could be
// equal: a planner that knows nothing of the table yet cannot tell that index from the others by anything else.

/** No other that is pending comes before it: of its principal it is the first. */
const isFirst = sql`d.seq = (
  SELECT e.seq FROM hub.deliveries e
   WHERE e.state = 'pending' AND (e.stream_id, e.principal, e.seq) >= (d.stream_id, d.principal, 0)
   ORDER BY e.stream_id, e.principal, e.seq LIMIT 1)`;

/**
 * What of a stream may go next, denials first: whatever `mayGo` and is the first of its principal. The oldest are
 * looked at; where these are many and wait for others, a queue of a few principals hides all the rest, so that the
 * principals are gone through instead, from one to the next.
 */
export function nextOf(stream: SQL, mayGo: SQL, limit: number): SQL {
  const firstAfter = (after: SQL) => sql`
    SELECT seq, denies, stream_id, principal, due_at_ms, claimed_until_ms FROM hub.deliveries
     WHERE state = 'pending' AND stream_id <= ${stream} AND ${after} ORDER BY stream_id, principal, seq LIMIT 1`;
  return sql`
    WITH RECURSIVE oldest AS MATERIALIZED (
      SELECT seq, stream_id, denies, principal FROM hub.deliveries
       WHERE state = 'pending' AND stream_id >= ${stream} AND stream_id <= ${stream} AND ${mayGo}
       ORDER BY stream_id, denies DESC, seq LIMIT ${lookedAtMax}),
    found AS MATERIALIZED (
      SELECT d.seq, d.denies FROM oldest d WHERE ${isFirst} ORDER BY d.denies DESC, d.seq LIMIT ${limit}),
    firsts AS (
      SELECT 1 AS nth, f.* FROM (${firstAfter(sql`stream_id >= ${stream}
        AND (SELECT count(*) FROM oldest) = ${lookedAtMax} AND (SELECT count(*) FROM found) < ${limit}`)}) f
      UNION ALL
      SELECT p.nth + 1, f.* FROM firsts p CROSS JOIN LATERAL (
        ${firstAfter(sql`(stream_id, principal) > (p.stream_id, p.principal)`)}) f
       WHERE p.nth < ${principalsMax})
    SELECT seq, denies FROM (
      SELECT seq, denies FROM found UNION SELECT seq, denies FROM firsts WHERE ${mayGo}) n
     ORDER BY denies DESC, seq LIMIT ${limit}`;
}

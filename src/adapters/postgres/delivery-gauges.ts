import { sql } from 'drizzle-orm';
import type { Millis } from '../../core/vocabulary.ts';
import type { Reading } from '../../http/metrics.ts';
import type { Database } from './database.ts';

/** Of one stream and state no more are counted: that many means so many or more. */
const deliveriesCountedMax = 1_000;
/** For the age and the attempts the oldest that wait are looked at. */
const oldestMax = 100;
/** Streams of one statement. */
const streamsPerStatement = 100;
/** Streams of one scrape; the rest, by id, is left out. */
const streamsMax = 10_000;

type Row = {
  readonly stream: string;
  readonly pending: number;
  readonly dead: number;
  readonly oldest_pending_seconds: number | null;
  readonly most_attempts: number | null;
};

/**
 * Of each stream that has any: SETs that wait and that are dead, how long the oldest has been due, and how often one of them
 * was tried. However long the backlogs are, it reads a bounded part of them.
 */
export async function readDeliveryGauges(
  { db }: Pick<Database, 'db'>,
  nowMs: Millis,
): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  let after = '';
  for (let seen = 0; seen < streamsMax; seen += streamsPerStatement) {
    const { rows } = await db.execute<Row>(sql`
      SELECT s.id AS stream, p.n AS pending, q.n AS dead, o.oldest_pending_seconds, o.most_attempts
        FROM (SELECT id FROM hub.streams WHERE id > ${after} ORDER BY id LIMIT ${streamsPerStatement}) s
       CROSS JOIN LATERAL (SELECT count(*)::int AS n FROM (
         SELECT FROM hub.deliveries d WHERE d.stream_id = s.id AND d.state = 'pending' LIMIT ${deliveriesCountedMax}) x) p
       CROSS JOIN LATERAL (SELECT count(*)::int AS n FROM (
         SELECT FROM hub.deliveries d WHERE d.stream_id = s.id AND d.state = 'dead' LIMIT ${deliveriesCountedMax}) x) q
       CROSS JOIN LATERAL (
         SELECT greatest((${nowMs}::float8 - min(x.since_ms)) / 1000, 0) AS oldest_pending_seconds,
                max(x.attempts) AS most_attempts
           FROM (SELECT least(d.due_at_ms, d.first_sent_at_ms) AS since_ms, d.attempts FROM hub.deliveries d
                  WHERE d.stream_id = s.id AND d.state = 'pending' ORDER BY d.seq LIMIT ${oldestMax}) x) o
       ORDER BY s.id`);
    for (const { stream, ...values } of rows) {
      for (const [state, value] of Object.entries(values)) {
        if (value !== null && value > 0) readings.push({ labels: { stream, state }, value });
      }
    }
    if (rows.length < streamsPerStatement) break;
    after = rows.at(-1)?.stream ?? '';
  }
  return readings;
}

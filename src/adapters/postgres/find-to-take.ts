import { sql } from 'drizzle-orm';
import { streamUpdatedEventType } from '../../core/set-claims.ts';
import { streamId, type StreamId } from '../../core/vocabulary.ts';
import type { FindToTake } from '../../transmitter/delivery-ports.ts';
import { chunksOf } from './chunks.ts';
import type { Database } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';

/** Of one stream so many that wait are looked at; where there are more, whoever polls finds out. */
const lookedAtMax = 100;

/** What waits and is not handed out: that something else of its principal is, only the poll itself sees. */
export const createFindToTake =
  ({ database }: { readonly database: Pick<Database, 'db'> }): FindToTake =>
  async (streams, nowMs) => {
    const found = new Set<StreamId>();
    for (const chunk of chunksOf(streams, rowsPerStatementMax)) {
      const { rows } = await database.db.execute<{ id: string }>(sql`
        SELECT s.id FROM unnest(${sql.param(chunk)}::text[]) AS x (id) JOIN hub.streams s ON s.id = x.id
         WHERE (s.status = 'enabled' AND (
             SELECT bool_or(d.claimed_until_ms <= ${nowMs}) OR count(*) = ${lookedAtMax} FROM (
               SELECT e.claimed_until_ms FROM hub.deliveries e WHERE e.stream_id = s.id AND e.state = 'pending'
                ORDER BY e.seq LIMIT ${lookedAtMax}) d))
            OR EXISTS (
             SELECT FROM hub.deliveries d WHERE d.stream_id = s.id AND d.state = 'pending' AND d.control
                AND d.event_type = ${streamUpdatedEventType} AND d.claimed_until_ms <= ${nowMs})`);
      for (const { id } of rows) found.add(streamId(id));
    }
    return found;
  };

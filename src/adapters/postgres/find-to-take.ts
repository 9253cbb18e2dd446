import { sql } from 'drizzle-orm';
import { streamId, type StreamId } from '../../core/vocabulary.ts';
import type { FindToTake } from '../../transmitter/delivery-ports.ts';
import { chunksOf } from './chunks.ts';
import type { Database } from './database.ts';
import { nextForPoll } from './next-for-poll.ts';

/** Of each several hundred rows may be looked at. */
const streamsPerStatement = 100;

export const createFindToTake =
  ({ database }: { readonly database: Pick<Database, 'db'> }): FindToTake =>
  async (streams, nowMs) => {
    const found = new Set<StreamId>();
    for (const chunk of chunksOf(streams, streamsPerStatement)) {
      const { rows } = await database.db.execute<{ id: string }>(sql`
        SELECT s.id FROM unnest(${sql.param(chunk)}::text[]) AS x (id) JOIN hub.streams s ON s.id = x.id
         WHERE EXISTS (SELECT FROM (${nextForPoll(sql`s.id`, nowMs, 1)}) n)`);
      for (const { id } of rows) found.add(streamId(id));
    }
    return found;
  };

import { and, desc, eq, sql } from 'drizzle-orm';
import { sourceId } from '../../core/vocabulary.ts';
import type { ReceivedSetStore, RecordedSet } from '../../receiver/set-ports.ts';
import type { Database } from './database.ts';
import { receivedSets } from './schema-upstreams.ts';

export function createReceivedSetStore({ database }: { readonly database: Database }): ReceivedSetStore {
  const { db } = database;
  return {
    async record(set) {
      const rows = await db
        .insert(receivedSets)
        .values(set)
        .onConflictDoNothing()
        .returning({ jti: receivedSets.jti });
      return rows.length > 0 ? 'recorded' : 'repeated';
    },

    async has(upstream, jti) {
      const rows = await db
        .select({ jti: receivedSets.jti })
        .from(receivedSets)
        .where(and(eq(receivedSets.upstream, upstream), eq(receivedSets.jti, jti)));
      return rows.length > 0;
    },

    async list(upstream, { after, limit }) {
      const rows = await db
        .select()
        .from(receivedSets)
        .where(
          and(
            eq(receivedSets.upstream, upstream),
            after &&
              sql`(${receivedSets.receivedAtMs}, ${receivedSets.jti}) < (${after.receivedAtMs}::bigint, ${after.jti})`,
          ),
        )
        .orderBy(desc(receivedSets.receivedAtMs), desc(receivedSets.jti))
        .limit(limit);
      return rows.map((row): RecordedSet => ({ ...row, upstream: sourceId(row.upstream) }));
    },
  };
}

/** Rows of one statement of the sweep. */
const sweptAtOnce = 1_000;

/** Forgets what was recorded before; a SET that is sent again later than that is recorded again. */
export async function sweepReceivedSets(
  database: Database,
  beforeMs: number,
  stop: AbortSignal,
): Promise<void> {
  for (let gone = sweptAtOnce; gone === sweptAtOnce && !stop.aborted; ) {
    const { rows } = await database.db.execute(sql`
      DELETE FROM hub.received_sets WHERE (upstream, jti) IN (
        SELECT upstream, jti FROM hub.received_sets WHERE received_at_ms < ${beforeMs}
         ORDER BY received_at_ms LIMIT ${sweptAtOnce}) RETURNING 1 AS gone`);
    gone = rows.length;
  }
}

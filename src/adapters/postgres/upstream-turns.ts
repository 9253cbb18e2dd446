import { and, eq, lte, sql, type SQL } from 'drizzle-orm';
import type { Millis } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { UpstreamStore } from '../../receiver/ports.ts';
import type { Turn, UpstreamTurns } from '../../receiver/turn-ports.ts';
import { doneEntry, insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { upstreams } from './schema-upstreams.ts';
import { columnsOf } from './upstream-store.ts';

export function createUpstreamTurns(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly store: Pick<UpstreamStore, 'find'>;
}): UpstreamTurns {
  const { database, announcer, store } = options;
  const { db } = database;

  async function take(which: SQL | undefined, untilMs: Millis): Promise<Turn | undefined> {
    const [taken] = await db
      .update(upstreams)
      .set({ turnUntilMs: untilMs })
      .where(which)
      .returning({ name: upstreams.name });
    const upstream = taken && (await store.find(taken.name));
    return upstream && { upstream, untilMs };
  }

  const isMine = ({ upstream, untilMs }: Turn) =>
    and(eq(upstreams.name, upstream.name), eq(upstreams.id, upstream.id), eq(upstreams.turnUntilMs, untilMs));

  return {
    takeDue: ({ nowMs, untilMs }) =>
      take(
        sql`${upstreams.name} = (
          SELECT name FROM hub.upstreams
           WHERE NOT paused AND due_at_ms <= ${nowMs} AND turn_until_ms <= ${nowMs}
           ORDER BY due_at_ms, name LIMIT 1 FOR UPDATE SKIP LOCKED)`,
        untilMs,
      ),

    async take(name, { nowMs, untilMs }) {
      const free = and(eq(upstreams.name, name), lte(upstreams.turnUntilMs, nowMs));
      const turn = await take(free, untilMs);
      if (turn !== undefined) return turn;
      return (await store.find(name)) === undefined ? undefined : 'busy';
    },

    async note(turn, progress, noted) {
      const done = await database.transact(async (tx) => {
        const rows = await tx
          .update(upstreams)
          .set(columnsOf(progress))
          .where(isMine(turn))
          .returning({ name: upstreams.name });
        if (rows.length === 0) return false;
        if (noted !== undefined) {
          const { action, change, detail } = noted;
          await insertAudit(tx, [doneEntry(action, turn.upstream.name, change, detail)]);
        }
        return true;
      });
      announcer.announce('configuration');
      return done;
    },

    async end(turn, { dueAtMs, ...progress }) {
      const { upstream } = turn;
      const due = dueAtMs ?? upstream.dueAtMs;
      const rows = await db
        .update(upstreams)
        .set({
          ...columnsOf(progress),
          turnUntilMs: 0,
          dueAtMs: sql`CASE WHEN due_at_ms = ${upstream.dueAtMs} THEN ${due}::bigint ELSE due_at_ms END`,
        })
        .where(isMine(turn))
        .returning({ name: upstreams.name });
      announcer.announce('configuration');
      return rows.length > 0;
    },
  };
}

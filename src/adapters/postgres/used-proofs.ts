import { lte, sql } from 'drizzle-orm';
import type { UsedProofs } from '../../authorization/ports.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { Database } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';
import { usedProofs } from './schema-clients.ts';

export function createUsedProofs(options: {
  readonly database: Database;
  readonly nowMs: () => Millis;
}): UsedProofs & {
  /** Forgets what has expired, in chunks. */
  readonly sweep: (stop: AbortSignal) => Promise<void>;
} {
  const { nowMs } = options;
  const { db } = options.database;
  return {
    async claim(id, expiresAtMs) {
      const claimed = await db
        .insert(usedProofs)
        .values({ id, expiresAtMs })
        .onConflictDoUpdate({
          target: usedProofs.id,
          set: { expiresAtMs },
          setWhere: lte(usedProofs.expiresAtMs, nowMs()),
        })
        .returning({ id: usedProofs.id });
      return claimed.length > 0;
    },
    async keep(id, expiresAtMs) {
      await db
        .insert(usedProofs)
        .values({ id, expiresAtMs })
        .onConflictDoUpdate({ target: usedProofs.id, set: { expiresAtMs } });
    },
    async sweep(stop) {
      let swept = rowsPerStatementMax;
      while (swept === rowsPerStatementMax && !stop.aborted) {
        const { rowCount } = await db.execute(sql`
          DELETE FROM hub.used_proofs WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM hub.used_proofs WHERE expires_at_ms <= ${nowMs()} LIMIT ${rowsPerStatementMax}))`);
        swept = rowCount ?? 0;
      }
    },
  };
}

import type { Database } from './database.ts';

/** Of one table. Whatever needs longer is left to the next time. */
const STATEMENT_TIMEOUT_MS = 60_000;

/**
 * Does what autovacuum does on a server and nobody does in the embedded database: table by table, as everything else
 * waits while one is at it.
 */
export async function vacuumEmbedded(database: Database, stop: AbortSignal): Promise<void> {
  const pool = database.openPool({ connectionsMax: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  try {
    const { rows } = await pool.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, relname) AS name FROM pg_stat_user_tables
       WHERE schemaname IN ('hub', 'bullmq') AND (n_dead_tup > 0 OR n_mod_since_analyze > 0) ORDER BY n_dead_tup DESC`,
    );
    for (const { name } of rows) {
      if (stop.aborted) return;
      await pool.query(`VACUUM (ANALYZE) ${name}`);
    }
  } finally {
    await pool.end();
  }
}

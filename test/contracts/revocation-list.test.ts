import { sql, type SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { expect, it } from 'vitest';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { createRevocationReader } from '../../src/adapters/postgres/revocation-reader.ts';
import type { RevocationFilter } from '../../src/revocations/ports.ts';
import { forEachDatabase } from '../support/databases.ts';

const page = { limit: 51, after: { putAtMs: 2_000_000_000_000, id: 'rev_z' } } as const;

const literal = (value: unknown): string =>
  typeof value === 'number' ? String(value) : `'${String(value).replaceAll("'", "''")}'`;

/** How the database goes about what `ask` asks it: planned once for any values, as the hub has all plans. */
async function planOf(database: Database, ask: (db: Database) => Promise<unknown>): Promise<string> {
  const asked: SQL[] = [];
  const db = {
    execute: async (query: SQL) => {
      asked.push(query);
      return { rows: [] };
    },
  };
  await ask({ ...database, db } as unknown as Database);
  const { sql: text, params } = new PgDialect().sqlToQuery(asked[0]!);
  return database.transact(async (tx) => {
    await tx.execute(sql.raw(`PREPARE looked_at AS ${text}`));
    const { rows } = await tx.execute(
      sql.raw(`EXPLAIN EXECUTE looked_at (${params.map(literal).join(', ')})`),
    );
    await tx.execute(sql.raw('DEALLOCATE looked_at'));
    return rows.map((row) => String(row['QUERY PLAN'])).join('\n');
  });
}

forEachDatabase('the list of revocations', (fixture) => {
  it.each<readonly [RevocationFilter, string]>([
    [{ match: { iss: 'https://idp.example', client_id: 'build-runner' } }, 'revocations_match'],
    [{ match: { jkt: 'x' }, state: 'live' }, 'revocations_match'],
    [{ agent: 'build-runner' }, 'revocations_agent'],
    [{ agent: 'build-runner', state: 'live' }, 'revocations_agent'],
    [{ signalId: 'sig_1' }, 'revocations_signal'],
    [{}, 'revocations_newest'],
  ])('%j is found by the index %s, however many there are', async (filter, index) => {
    const { database } = fixture;
    const { rows } = await database.db.execute(sql`SELECT count(*)::int AS n FROM hub.revocations`);
    if (rows[0]?.['n'] === 0) {
      await database.db.execute(sql`
        INSERT INTO hub.revocations (id, epoch, seq, committed_at_ms, match, reach, effect, reason, merge_key, signal_id,
            source_id, cause, subject_key, agent, put_at_ms)
        SELECT 'rev_' || n, '0000', n, n, jsonb_build_object('iss', 'https://idp.example', 'client_id', n::text), 'chain', 'deny',
            'x', convert_to(n::text, 'UTF8'), 'sig_' || n, 's', 'c', 'k', 'agent-' || n, n FROM generate_series(1, 20000) n`);
      await database.db.execute(sql`ANALYZE hub.revocations`);
    }
    const plan = await planOf(database, (db) => createRevocationReader({ database: db }).list(filter, page));
    expect(plan).toContain(index);
  });
});

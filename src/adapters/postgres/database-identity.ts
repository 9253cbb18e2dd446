import { createHash } from 'node:crypto';
import type { Database } from './database.ts';

/**
 * Tells this database from every other, the same on every node and over a failover: for names in what several hubs share.
 * A copy or a restore is another database, whatever it holds.
 */
export async function readDatabaseIdentity({ pool }: Pick<Database, 'pool'>): Promise<string> {
  const { rows } = await pool.query<{ identity: string }>(
    `SELECT system_identifier || ' ' || oid AS identity
     FROM pg_control_system(), pg_database WHERE datname = current_database()`,
  );
  return createHash('sha256')
    .update(rows[0]?.identity ?? '')
    .digest('hex')
    .slice(0, 16);
}

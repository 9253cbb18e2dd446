import { eq } from 'drizzle-orm';
import type { FindSignalSeq } from '../../points/ports.ts';
import type { Database } from './database.ts';
import { signals } from './schema.ts';

export function createFindSignalSeq({
  database,
}: {
  readonly database: Pick<Database, 'db'>;
}): FindSignalSeq {
  return async (id) => {
    const [row] = await database.db
      .select({ lastSeq: signals.lastSeq })
      .from(signals)
      .where(eq(signals.id, id));
    if (row === undefined) return undefined;
    return row.lastSeq === null ? {} : { lastSeq: row.lastSeq };
  };
}

import { sql } from 'drizzle-orm';
import type { ForgetInstances } from '../../points/ports.ts';
import type { Database } from './database.ts';

/** Rows that one statement touches. */
const rowsMax = 1_000;

/**
 * Of ephemeral points also those that fell silent before and close by themselves: every class that is not open has
 * `fail_closed_after`, and there is one. Whoever never closes is exposed for as long as nobody retires it.
 */
export const createForgetInstances =
  ({ database }: { readonly database: Pick<Database, 'db'> }): ForgetInstances =>
  async ({ beforeMs, stop }) => {
    let total = 0;
    while (!stop.aborted) {
      const { rowCount } = await database.db.execute(sql`
        DELETE FROM hub.point_instances WHERE ctid = ANY (ARRAY(
          SELECT i.ctid FROM hub.point_instances i JOIN hub.points p ON p.name = i.point
           WHERE p.retired_at_ms < ${beforeMs} OR i.left_at_ms < ${beforeMs}
              OR (p.ephemeral AND greatest(i.last_seen_ms, i.fed_until_ms) < ${beforeMs}
                  AND jsonb_path_exists(i.declared, '$.postures.*.fail_closed_after')
                  AND NOT jsonb_path_exists(i.declared, '$.postures.*.allow_reads_after'))
           LIMIT ${rowsMax}))`);
      total += rowCount ?? 0;
      if ((rowCount ?? 0) < rowsMax) break;
    }
    return total;
  };

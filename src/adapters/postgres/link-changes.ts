import { sql } from 'drizzle-orm';
import type { LinkChange } from '../../core/decision.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';
import { bindStanding } from './standing-binding.ts';

/**
 * Lets identifiers have new values or stand for nobody any more (RISC §2.5, §2.6), and binds what stands for the new
 * ones. The registries are held for writing.
 */
export async function changeLinks(
  tx: Statements,
  changes: readonly LinkChange[],
  atMs: Millis,
): Promise<void> {
  for (const change of changes) {
    if (change.kind === 'renamed') {
      await tx.execute(sql`
        UPDATE hub.identity_links SET identifier = ${change.to} WHERE identifier = ${change.from}
           AND NOT EXISTS (SELECT FROM hub.identity_links WHERE identifier = ${change.to})`);
      await tx.execute(sql`
        UPDATE hub.agent_owners o SET identifier = ${change.to} WHERE identifier = ${change.from}
           AND NOT EXISTS (SELECT FROM hub.agent_owners t WHERE t.agent = o.agent AND t.identifier = ${change.to})`);
      await bindStanding(tx, { identifier: change.to, atMs });
    } else {
      await tx.execute(sql`DELETE FROM hub.identity_links WHERE identifier = ${change.identifier}`);
      await tx.execute(sql`DELETE FROM hub.agent_owners WHERE identifier = ${change.identifier}`);
    }
  }
}

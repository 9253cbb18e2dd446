import { sql } from 'drizzle-orm';
import type { LinkChange } from '../../core/decision.ts';
import { agentName, type Millis } from '../../core/vocabulary.ts';
import type { ChangedLink } from '../../pipeline/store.ts';
import type { Statements } from './database.ts';
import type { WrittenPut } from './revocation-feed.ts';
import { bindLearnt } from './standing-binding.ts';

/** What one change touched, and what was bound because of it. */
export type MadeChange = { readonly changed: ChangedLink; readonly bound: readonly WrittenPut[] };

/**
 * Lets an identifier have a new value or stand for nobody any more (RISC §2.5, §2.6), and binds what stands for the new
 * one. The registries are held for writing.
 */
export async function changeLink(tx: Statements, change: LinkChange, atMs: Millis): Promise<MadeChange> {
  const { rowCount } = await tx.execute(linksOf(change));
  const { rows } = await tx.execute<{ agent: string }>(ownersOf(change));
  const { puts: bound, withheld } =
    change.kind === 'renamed'
      ? await bindLearnt(tx, { identifier: change.to, atMs })
      : { puts: [], withheld: [] };
  const isLinked = (rowCount ?? 0) > 0;
  return { changed: { change, isLinked, owned: rows.map(({ agent }) => agentName(agent)), withheld }, bound };
}

const linksOf = (change: LinkChange) =>
  change.kind === 'forgotten'
    ? sql`DELETE FROM hub.identity_links WHERE identifier = ${change.identifier}`
    : sql`
      UPDATE hub.identity_links SET identifier = ${change.to} WHERE identifier = ${change.from}
         AND NOT EXISTS (SELECT FROM hub.identity_links WHERE identifier = ${change.to})`;

const ownersOf = (change: LinkChange) =>
  change.kind === 'forgotten'
    ? sql`DELETE FROM hub.agent_owners o WHERE identifier = ${change.identifier} RETURNING o.agent`
    : sql`
      UPDATE hub.agent_owners o SET identifier = ${change.to} WHERE identifier = ${change.from}
         AND NOT EXISTS (SELECT FROM hub.agent_owners t WHERE t.agent = o.agent AND t.identifier = ${change.to})
      RETURNING o.agent`;

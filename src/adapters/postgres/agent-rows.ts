import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { Agent, AgentStatus } from '../../agents/ports.ts';
import type { KnownAs } from '../../core/known-as.ts';
import { agentName, identifier } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';
import { agentIdentities, agentOwners, agentParents, agents, identityLinks, revocations } from './schema.ts';

/** A denial whenever issued that does not end by itself. */
export const disables = sql`${revocations.state} = 'live' AND ${revocations.effect} = 'deny' AND ${revocations.cutOff} IS NULL AND ${revocations.lapsesAt} IS NULL`;

/** A few set-based reads, whatever the number of agents. */
export async function readAgents(
  db: Statements,
  where: ReturnType<typeof eq> | undefined,
  limit: number,
): Promise<readonly Agent[]> {
  const rows = await db.select().from(agents).where(where).orderBy(asc(agents.name)).limit(limit);
  const names = rows.map((row) => row.name);
  if (names.length === 0) return [];
  const [owners, identities, links, parents, children, standing] = await Promise.all([
    db
      .select()
      .from(agentOwners)
      .where(inArray(agentOwners.agent, names))
      .orderBy(asc(agentOwners.identifier)),
    db
      .select()
      .from(agentIdentities)
      .where(inArray(agentIdentities.agent, names))
      .orderBy(asc(agentIdentities.matchKey)),
    db
      .select()
      .from(identityLinks)
      .where(inArray(identityLinks.agent, names))
      .orderBy(asc(identityLinks.identifier)),
    db
      .select()
      .from(agentParents)
      .where(inArray(agentParents.child, names))
      .orderBy(asc(agentParents.parent)),
    db
      .select()
      .from(agentParents)
      .where(inArray(agentParents.parent, names))
      .orderBy(asc(agentParents.child)),
    db
      .select({
        agent: revocations.agent,
        live: sql<number>`count(*)::int`,
        disabling: sql<number>`(count(*) FILTER (WHERE ${disables}))::int`,
      })
      .from(revocations)
      .where(and(inArray(revocations.agent, names), eq(revocations.state, 'live')))
      .groupBy(revocations.agent),
  ]);
  return rows.map((row) => {
    const counts = standing.find((count) => count.agent === row.name);
    return {
      name: agentName(row.name),
      ...(row.description === null ? {} : { description: row.description }),
      ...(row.owner === null ? {} : { owner: row.owner }),
      ownerIdentifiers: owners.filter((owner) => owner.agent === row.name).map(toKnownAs),
      identities: identities
        .filter((identity) => identity.agent === row.name)
        .map((identity) => identity.match),
      links: links.filter((link) => link.agent === row.name).map(toKnownAs),
      parents: parents.filter((edge) => edge.child === row.name).map((edge) => agentName(edge.parent)),
      children: children.filter((edge) => edge.parent === row.name).map((edge) => agentName(edge.child)),
      protected: row.protected,
      status: statusOf(row.retiredAtMs, counts?.live ?? 0, counts?.disabling ?? 0),
      liveRevocations: counts?.live ?? 0,
      createdAtMs: row.createdAtMs,
      updatedAtMs: row.updatedAtMs,
    };
  });
}

function statusOf(retiredAtMs: number | null, live: number, disabling: number): AgentStatus {
  if (disabling > 0) return 'disabled';
  if (retiredAtMs !== null) return 'retired';
  return live > 0 ? 'restricted' : 'active';
}

const toKnownAs = (row: { identifier: string; subject: KnownAs['subject'] }): KnownAs => ({
  identifier: identifier(row.identifier),
  subject: row.subject,
});

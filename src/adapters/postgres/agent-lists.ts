import { and, eq, inArray, sql } from 'drizzle-orm';
import type { AgentDraft, AgentPatch } from '../../agents/ports.ts';
import type { KnownAs } from '../../core/known-as.ts';
import { matchKey } from '../../core/match-key.ts';
import { Problem } from '../../core/problem.ts';
import { lineageDepthMax } from '../../core/resolution.ts';
import type { Match } from '../../core/revocation.ts';
import type { AgentName } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';
import { agentIdentities, agentOwners, agentParents, agents, identityLinks } from './schema.ts';

/** What is absent stays; a list replaces the whole list. */
export async function replaceLists(
  tx: Statements,
  name: AgentName,
  lists: AgentPatch | AgentDraft,
  atMs: number,
): Promise<void> {
  if (lists.ownerIdentifiers !== undefined) {
    await tx.delete(agentOwners).where(eq(agentOwners.agent, name));
    const rows = lists.ownerIdentifiers.map((known) => ({ agent: name as string, ...known }));
    if (rows.length > 0) await tx.insert(agentOwners).values(rows).onConflictDoNothing();
  }
  if (lists.identities !== undefined) {
    await tx.delete(agentIdentities).where(eq(agentIdentities.agent, name));
    await addIdentities(tx, name, lists.identities, atMs);
  }
  if (lists.links !== undefined) {
    await tx.delete(identityLinks).where(eq(identityLinks.agent, name));
    await addLinks(tx, name, lists.links, atMs);
  }
  if (lists.parents !== undefined) await replaceParents(tx, name, lists.parents);
}

/** @throws Problem `conflict` when another agent has one of them. */
export async function addIdentities(
  tx: Statements,
  name: AgentName,
  identities: readonly Match[],
  atMs: number,
): Promise<void> {
  const rows = identities.map((match) => ({
    matchKey: matchKey(match),
    agent: name as string,
    match,
    learntAtMs: atMs,
  }));
  if (rows.length === 0) return;
  await tx.insert(agentIdentities).values(rows).onConflictDoNothing();
  const taken = await tx
    .select({ agent: agentIdentities.agent, match: agentIdentities.match })
    .from(agentIdentities)
    .where(
      and(
        inArray(
          agentIdentities.matchKey,
          rows.map((row) => row.matchKey),
        ),
        sql`${agentIdentities.agent} <> ${name}`,
      ),
    )
    .limit(1);
  if (taken[0]) throw belongsTo(taken[0].agent, JSON.stringify(taken[0].match), '/identities');
}

async function addLinks(
  tx: Statements,
  name: AgentName,
  links: readonly KnownAs[],
  atMs: number,
): Promise<void> {
  const rows = links.map((known) => ({ ...known, agent: name as string, createdAtMs: atMs }));
  if (rows.length === 0) return;
  await tx.insert(identityLinks).values(rows).onConflictDoNothing();
  const taken = await tx
    .select({ agent: identityLinks.agent, identifier: identityLinks.identifier })
    .from(identityLinks)
    .where(
      and(
        inArray(
          identityLinks.identifier,
          rows.map((row) => row.identifier),
        ),
        sql`${identityLinks.agent} IS DISTINCT FROM ${name}`,
      ),
    )
    .limit(1);
  if (taken[0]) throw belongsTo(taken[0].agent ?? 'somebody who is no agent', taken[0].identifier, '/links');
}

const belongsTo = (owner: string, what: string, path: string): Problem =>
  new Problem('conflict', `${what} belongs to ${owner} already.`, {
    hint: 'Take it from there first: one key or identifier stands for one agent.',
    errors: [{ path, message: 'belongs to another' }],
  });

async function replaceParents(tx: Statements, name: AgentName, parents: readonly AgentName[]): Promise<void> {
  const known =
    parents.length === 0
      ? []
      : await tx
          .select({ name: agents.name })
          .from(agents)
          .where(inArray(agents.name, [...parents]));
  const missing = parents.findIndex((parent) => !known.some((row) => row.name === parent));
  if (missing >= 0) {
    throw new Problem('unknown-agent', `There is no agent ${parents[missing]}.`, {
      hint: 'Register the parent first.',
      errors: [{ path: `/parents/${missing}`, message: 'is unknown' }],
    });
  }
  if (parents.includes(name)) throw badLineage(`${name} would descend from itself.`);
  await tx.delete(agentParents).where(eq(agentParents.child, name));
  if (parents.length === 0) return;
  await tx
    .insert(agentParents)
    .values(parents.map((parent) => ({ child: name as string, parent: parent as string })))
    .onConflictDoNothing();
  await refuseBadLineage(tx, name);
}

/** Longest way up from the agent and down from it: together they bound every lineage that runs through it. */
async function refuseBadLineage(tx: Statements, name: AgentName): Promise<void> {
  const walk = (from: 'child' | 'parent', to: 'child' | 'parent') => sql<{ depth: number; circle: boolean }>`
    WITH RECURSIVE line (name, depth) AS (
      SELECT ${name}::text, 0
      UNION
      SELECT p.${sql.identifier(to)}, line.depth + 1
      FROM line JOIN hub.agent_parents p ON p.${sql.identifier(from)} = line.name
      WHERE line.depth <= ${lineageDepthMax}
    )
    SELECT max(depth)::int AS depth, coalesce(bool_or(depth > 0 AND name = ${name}), false) AS circle FROM line`;
  const up = (await tx.execute<{ depth: number; circle: boolean }>(walk('child', 'parent'))).rows[0];
  const down = (await tx.execute<{ depth: number; circle: boolean }>(walk('parent', 'child'))).rows[0];
  const depth = (up?.depth ?? 0) + (down?.depth ?? 0);
  if (up?.circle !== true && depth <= lineageDepthMax) return;
  throw badLineage(
    up?.circle === true
      ? `${name} would descend from itself.`
      : `The lineage of ${name} would be ${depth} deep.`,
  );
}

const badLineage = (detail: string): Problem =>
  new Problem('cyclic-parents', detail, {
    hint: `A lineage runs one way and is at most ${lineageDepthMax} deep.`,
    errors: [{ path: '/parents', message: 'make a circle or too long a line' }],
  });

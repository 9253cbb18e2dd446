import { and, eq, gt, isNull } from 'drizzle-orm';
import type { AgentPatch, AgentStore, BoundRevocation, Change } from '../../agents/ports.ts';
import { Problem } from '../../core/problem.ts';
import type { AgentName, JsonObject } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { addIdentities, replaceLists } from './agent-lists.ts';
import { disables, readAgents } from './agent-rows.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { agents, revocations, standingKills } from './schema.ts';
import { bindLearnt, type Binding, boundEntries, lockRegistry } from './standing-binding.ts';

/** An agent that more entries disable is enabled in several goes. */
const disablingMax = 1_000;

export function createAgentStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): AgentStore {
  const { database, announcer } = options;

  /** Runs a mutation under the registry lock, binds what stands, and wakes the feed's readers. */
  async function mutate(
    name: AgentName,
    action: string,
    change: Change,
    said: AgentPatch,
    work: (tx: Statements) => Promise<'done' | 'missing'>,
  ): Promise<readonly BoundRevocation[] | undefined> {
    const bound = await database.transact(async (tx) => {
      await lockRegistry(tx);
      if ((await work(tx)) === 'missing') return undefined;
      const learnt = [{ agent: name }, ...(said.links ?? []).map(({ identifier }) => ({ identifier }))];
      const bindings: Binding[] = [];
      for (const what of learnt) bindings.push(await bindLearnt(tx, { ...what, atMs: change.atMs }));
      const entries = bindings.flatMap(boundEntries);
      const withheld = new Set(bindings.flatMap((binding) => binding.withheld));
      await insertAudit(tx, [
        {
          atMs: change.atMs,
          actor: change.actor,
          action,
          target: `agent:${name}`,
          outcome: 'done',
          ...(change.correlationId === undefined ? {} : { correlationId: change.correlationId }),
          detail: { ...detailOf(said), bound: entries.map((entry) => entry.id), withheld: [...withheld] },
        },
      ]);
      return entries;
    });
    if (bound && bound.length > 0) announcer.announce('feed');
    return bound;
  }

  return {
    list: ({ after, limit }) =>
      readAgents(database.db, after === undefined ? undefined : gt(agents.name, after), limit),

    async find(name) {
      const [agent] = await readAgents(database.db, eq(agents.name, name), 1);
      return agent;
    },

    async create(draft, change) {
      const bound = await mutate(draft.name, 'agent.added', change, draft, async (tx) => {
        const created = await tx
          .insert(agents)
          .values({
            name: draft.name,
            description: draft.description ?? null,
            owner: draft.owner ?? null,
            protected: draft.protected,
            createdAtMs: change.atMs,
            updatedAtMs: change.atMs,
          })
          .onConflictDoNothing()
          .returning({ name: agents.name });
        if (created.length === 0) {
          throw new Problem('conflict', `There is an agent ${draft.name} already.`, {
            hint: `Change it with PATCH /v1/agents/${draft.name}.`,
            errors: [{ path: '/name', message: 'is taken' }],
          });
        }
        await replaceLists(tx, draft.name, draft, change.atMs);
        return 'done';
      });
      return bound ?? [];
    },

    change: (name, patch, change) =>
      mutate(name, 'agent.changed', change, patch, async (tx) => {
        const changed = await tx
          .update(agents)
          .set({
            updatedAtMs: change.atMs,
            ...(patch.description === undefined ? {} : { description: patch.description }),
            ...(patch.owner === undefined ? {} : { owner: patch.owner }),
            ...(patch.protected === undefined ? {} : { protected: patch.protected }),
          })
          .where(eq(agents.name, name))
          .returning({ name: agents.name });
        if (changed.length === 0) return 'missing';
        await replaceLists(tx, name, patch, change.atMs);
        return 'done';
      }),

    learn: (name, identity, change) =>
      mutate(name, 'agent.identity-learnt', change, { identities: [identity] }, async (tx) => {
        const changed = await tx
          .update(agents)
          .set({ updatedAtMs: change.atMs })
          .where(eq(agents.name, name))
          .returning({ name: agents.name });
        if (changed.length === 0) return 'missing';
        await addIdentities(tx, name, [identity], change.atMs);
        return 'done';
      }),

    async retire(name, change) {
      const done = await mutate(name, 'agent.retired', change, {}, async (tx) => {
        const changed = await tx
          .update(agents)
          .set({ retiredAtMs: change.atMs, updatedAtMs: change.atMs })
          .where(and(eq(agents.name, name), isNull(agents.retiredAtMs)))
          .returning({ name: agents.name });
        return changed.length === 0 ? 'missing' : 'done';
      });
      return done !== undefined;
    },

    async disabling(name) {
      const rows = await database.db
        .select({ id: revocations.id, signalId: revocations.signalId, aimedAt: standingKills.agent })
        .from(revocations)
        .leftJoin(standingKills, eq(standingKills.id, revocations.standingId))
        .where(and(eq(revocations.agent, name), disables))
        .limit(disablingMax);
      const aimed = rows.filter(({ aimedAt }) => aimedAt === null || aimedAt === name);
      const inherited = rows.filter((row) => !aimed.includes(row));
      return {
        signals: [...new Set(aimed.map(({ signalId }) => signalId))],
        revocations: inherited.map(({ id }) => id),
      };
    },
  };
}

/** What was said, as the audit keeps it. */
const detailOf = ({ ownerIdentifiers, links, identities, parents, ...said }: AgentPatch): JsonObject => ({
  ...said,
  ...(ownerIdentifiers && { owner_identifiers: ownerIdentifiers.map(({ identifier }) => identifier) }),
  ...(links && { links: links.map(({ identifier }) => identifier) }),
  ...(identities && { identities: [...identities] }),
  ...(parents && { parents: [...parents] }),
});

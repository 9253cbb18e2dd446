import { and, eq, gt, isNull } from 'drizzle-orm';
import type { AgentStore, BoundRevocation, Change } from '../../agents/ports.ts';
import type { KnownAs } from '../../core/known-as.ts';
import { Problem } from '../../core/problem.ts';
import type { AgentName } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { addIdentities, replaceLists } from './agent-lists.ts';
import { disables, readAgents } from './agent-rows.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { agents, revocations } from './schema.ts';
import { bindStanding, lockRegistry } from './standing-binding.ts';

const disablingSignalsMax = 100;

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
    links: readonly KnownAs[],
    work: (tx: Statements) => Promise<'done' | 'missing'>,
  ): Promise<readonly BoundRevocation[] | undefined> {
    const bound = await database.transact(async (tx) => {
      await lockRegistry(tx);
      if ((await work(tx)) === 'missing') return undefined;
      const entries = [...(await bindStanding(tx, { agent: name, atMs: change.atMs }))];
      for (const { identifier } of links)
        entries.push(...(await bindStanding(tx, { identifier, atMs: change.atMs })));
      await insertAudit(tx, [
        {
          atMs: change.atMs,
          actor: change.actor,
          action,
          target: `agent:${name}`,
          outcome: 'done',
          ...(change.correlationId === undefined ? {} : { correlationId: change.correlationId }),
          detail: { bound: entries.map((entry) => entry.id) },
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
      const bound = await mutate(draft.name, 'agent.added', change, draft.links, async (tx) => {
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
      mutate(name, 'agent.changed', change, patch.links ?? [], async (tx) => {
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
      mutate(name, 'agent.identity-learnt', change, [], async (tx) => {
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
      const done = await mutate(name, 'agent.retired', change, [], async (tx) => {
        const changed = await tx
          .update(agents)
          .set({ retiredAtMs: change.atMs, updatedAtMs: change.atMs })
          .where(and(eq(agents.name, name), isNull(agents.retiredAtMs)))
          .returning({ name: agents.name });
        return changed.length === 0 ? 'missing' : 'done';
      });
      return done !== undefined;
    },

    async disablingSignals(name) {
      const rows = await database.db
        .selectDistinct({ signalId: revocations.signalId })
        .from(revocations)
        .where(and(eq(revocations.agent, name), disables))
        .limit(disablingSignalsMax);
      return rows.map((row) => row.signalId);
    },
  };
}

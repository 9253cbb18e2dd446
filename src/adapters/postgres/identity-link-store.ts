import { and, asc, eq, gt, isNotNull } from 'drizzle-orm';
import type { BoundRevocation, Change, IdentityLinkStore } from '../../identity-links/ports.ts';
import { Problem } from '../../core/problem.ts';
import { identifier, type JsonObject } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { identityLinks } from './schema.ts';
import { bindLearnt, boundEntries, lockRegistry } from './standing-binding.ts';

/** Links of identifiers to keys of those who are no agents; an agent's own links are kept with the agent. */
export function createIdentityLinkStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): IdentityLinkStore {
  const { database, announcer } = options;
  return {
    async list({ after, limit }) {
      const rows = await database.db
        .select()
        .from(identityLinks)
        .where(
          and(
            isNotNull(identityLinks.match),
            after === undefined ? undefined : gt(identityLinks.identifier, after),
          ),
        )
        .orderBy(asc(identityLinks.identifier))
        .limit(limit);
      return rows.flatMap((row) =>
        row.match === null
          ? []
          : [{ identifier: identifier(row.identifier), subject: row.subject, match: row.match }],
      );
    },

    async put(link, change) {
      const bound = await database.transact(async (tx) => {
        await lockRegistry(tx);
        const [before] = await tx
          .select()
          .from(identityLinks)
          .where(eq(identityLinks.identifier, link.identifier));
        if (before?.agent) {
          throw new Problem('conflict', `${link.identifier} belongs to the agent ${before.agent}.`, {
            hint: `Take it from there first: PATCH /v1/agents/${before.agent} with new links.`,
            errors: [{ path: '/subject', message: 'belongs to an agent' }],
          });
        }
        const row = {
          identifier: link.identifier as string,
          subject: link.subject,
          match: link.match,
          createdAtMs: change.atMs,
        };
        await tx
          .insert(identityLinks)
          .values(row)
          .onConflictDoUpdate({ target: identityLinks.identifier, set: row });
        const binding = await bindLearnt(tx, { identifier: link.identifier, atMs: change.atMs });
        const entries: readonly BoundRevocation[] = boundEntries(binding);
        await audit(tx, 'identity-link.put', link.identifier, change, {
          match: { ...link.match },
          bound: entries.map(({ id }) => id),
          withheld: [...binding.withheld],
        });
        return entries;
      });
      if (bound.length > 0) announcer.announce('feed');
      return bound;
    },

    remove: (which, change) =>
      database.transact(async (tx) => {
        await lockRegistry(tx);
        const rows = await tx
          .delete(identityLinks)
          .where(and(eq(identityLinks.identifier, which), isNotNull(identityLinks.match)))
          .returning({ identifier: identityLinks.identifier });
        if (rows.length > 0) await audit(tx, 'identity-link.removed', which, change, {});
        return rows.length > 0;
      }),
  };
}

const audit = (
  tx: Statements,
  action: string,
  target: string,
  change: Change,
  detail: JsonObject,
): Promise<void> =>
  insertAudit(tx, [
    {
      atMs: change.atMs,
      actor: change.actor,
      action,
      target,
      outcome: 'done',
      ...(change.correlationId === undefined ? {} : { correlationId: change.correlationId }),
      detail,
    },
  ]);

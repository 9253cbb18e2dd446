import { asc, eq, gt } from 'drizzle-orm';
import type { Source } from '../../core/source.ts';
import { clientId, sourceId, type JsonObject } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { SourceStore } from '../../sources/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { sources } from './schema.ts';

export function createSourceStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): SourceStore {
  const { database, announcer } = options;
  return {
    async list({ after, limit }) {
      const rows = await database.db
        .select()
        .from(sources)
        .where(after === undefined ? undefined : gt(sources.id, after))
        .orderBy(asc(sources.id))
        .limit(limit);
      return rows.map(toSource);
    },

    async find(id) {
      const [row] = await database.db.select().from(sources).where(eq(sources.id, id));
      return row && toSource(row);
    },

    async put(source, change) {
      const done = await database.transact(async (tx) => {
        const [before] = await tx.select({ id: sources.id }).from(sources).where(eq(sources.id, source.id));
        const limits = toRow(source);
        await tx
          .insert(sources)
          .values({ ...limits, createdAtMs: change.atMs })
          .onConflictDoUpdate({ target: sources.id, set: limits });
        await insertAudit(tx, [
          {
            atMs: change.atMs,
            actor: change.actor,
            action: before ? 'source.changed' : 'source.added',
            target: source.id,
            outcome: 'done',
            ...(change.correlationId === undefined ? {} : { correlationId: change.correlationId }),
            detail: toDetail(source),
          },
        ]);
        return before ? ('replaced' as const) : ('created' as const);
      });
      announcer.announce('tokens');
      return done;
    },
  };
}

/** Used wherever a source is read with something else, such as the token that speaks for it. */
export function toSource(row: typeof sources.$inferSelect): Source {
  return {
    id: sourceId(row.id),
    ...(row.description === null ? {} : { description: row.description }),
    ...(row.eventTypes === null ? {} : { eventTypes: row.eventTypes }),
    ...(row.subjectIssuers === null ? {} : { subjectIssuers: row.subjectIssuers }),
    ...(row.subjectDomains === null ? {} : { subjectDomains: row.subjectDomains }),
    ...(row.peer === null ? {} : { peer: clientId(row.peer) }),
    strongestEffect: row.strongestEffect,
    killsPerMinute: row.killsPerMinute,
    softEffect: row.softEffect,
    heldSeconds: row.heldSeconds,
    heldDefault: row.heldDefault,
    person: row.person,
  };
}

const toRow = (source: Source) => ({
  id: source.id as string,
  description: source.description ?? null,
  eventTypes: source.eventTypes === undefined ? null : [...source.eventTypes],
  subjectIssuers: source.subjectIssuers === undefined ? null : [...source.subjectIssuers],
  subjectDomains: source.subjectDomains === undefined ? null : [...source.subjectDomains],
  peer: source.peer ?? null,
  strongestEffect: source.strongestEffect,
  killsPerMinute: source.killsPerMinute,
  softEffect: source.softEffect,
  heldSeconds: source.heldSeconds,
  heldDefault: source.heldDefault,
  person: source.person,
});

const toDetail = (source: Source): JsonObject => ({ ...toRow(source) });

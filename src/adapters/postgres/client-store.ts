import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { Change, Client, ClientStore, NewClient } from '../../authorization/ports.ts';
import { Problem } from '../../core/problem.ts';
import { clientId, sourceId, type JsonObject } from '../../core/vocabulary.ts';
import { scopes } from '../../http/caller.ts';
import type { Announcer, AuditEntry } from '../../pipeline/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { ensureSource } from './ensure-source.ts';
import { clients } from './schema-clients.ts';
import { sources } from './schema.ts';
import { toSource } from './source-store.ts';
import { countChange } from './stream-rows.ts';

export function createClientStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): ClientStore {
  const { database, announcer } = options;
  const { db } = database;
  return {
    async create(client, change) {
      await database.transact(async (tx) => {
        const { sourceId: id, id: madeFor } = client;
        await ensureSource(tx, { id, person: false, madeFor, blamed: 'source' }, change);
        const added = await tx.insert(clients).values(toRow(client)).onConflictDoNothing().returning();
        if (added.length === 0) throw nameTaken(client);
        await insertAudit(tx, [toEntry('client.created', client, change)]);
      });
      announcer.announce('tokens');
    },

    async list({ after, limit }) {
      const rows = await db
        .select()
        .from(clients)
        .where(after === undefined ? undefined : gt(clients.id, after))
        .orderBy(asc(clients.id))
        .limit(limit);
      return rows.map(toClient);
    },

    async find(id) {
      const [row] = await db
        .select({ client: clients, source: sources })
        .from(clients)
        .innerJoin(sources, eq(sources.id, clients.sourceId))
        .where(eq(clients.id, id));
      if (row === undefined) return undefined;
      const { secretSha256 } = row.client;
      return {
        ...toClient(row.client),
        ...(secretSha256 === null ? {} : { secretHash: secretSha256 }),
        source: toSource(row.source),
      };
    },

    async revoke(id, change) {
      const found = await database.transact(async (tx) => {
        const [revoked] = await tx
          .update(clients)
          .set({ revokedAtMs: change.atMs })
          .where(and(eq(clients.id, id), isNull(clients.revokedAtMs)))
          .returning();
        if (revoked !== undefined) {
          await insertAudit(tx, [toEntry('client.revoked', toClient(revoked), change)]);
          await disableStreams(tx, id, change.atMs);
          return true;
        }
        const before = await tx.select({ id: clients.id }).from(clients).where(eq(clients.id, id));
        return before.length > 0;
      });
      announcer.announce('tokens');
      announcer.announce('streams');
      return found;
    },
  };
}

/** Who may call no more is sent nothing more. What waits is swept, and dropped at the latest when somebody enables a stream again. */
async function disableStreams(tx: Statements, id: string, atMs: number): Promise<void> {
  const { rowCount } = await tx.execute(sql`
    UPDATE hub.streams SET status = 'disabled', status_reason = 'Its client was revoked.', updated_at_ms = ${atMs}
     WHERE receiver = ${`client:${id}`} AND status <> 'disabled'`);
  if ((rowCount ?? 0) > 0) await countChange(tx);
}

const nameTaken = ({ id }: NewClient): Problem =>
  new Problem('conflict', `There is or was a client "${id}".`, {
    hint: 'Take another client_id: kills and the audit name a client by it, so that none is used again.',
    errors: [{ path: '/client_id', message: 'is taken' }],
  });

function toEntry(action: string, client: Client, { actor, atMs, correlationId }: Change): AuditEntry {
  const detail: JsonObject = {
    scopes: [...client.scopes],
    auth_method: client.authMethod,
    dpop_bound: client.dpopBound,
    source: client.sourceId,
    ...(client.jwks === undefined ? {} : { jwks: client.jwks }),
  };
  const base = { atMs, actor, ...(correlationId === undefined ? {} : { correlationId }) };
  return { ...base, action, target: client.id, outcome: 'done', detail };
}

const toRow = (client: NewClient): typeof clients.$inferInsert => ({
  id: client.id,
  description: client.description ?? null,
  scopes: [...client.scopes],
  authMethod: client.authMethod,
  secretSha256: client.secretHash ?? null,
  jwks: client.jwks ?? null,
  dpopBound: client.dpopBound,
  sourceId: client.sourceId,
  createdAtMs: client.createdAtMs,
});

/** A scope that this release does not know gives nothing. */
const toClient = (row: typeof clients.$inferSelect): Client => ({
  id: clientId(row.id),
  ...(row.description === null ? {} : { description: row.description }),
  scopes: scopes.filter((scope) => row.scopes.includes(scope)),
  authMethod: row.authMethod,
  ...(row.jwks === null ? {} : { jwks: row.jwks }),
  dpopBound: row.dpopBound,
  sourceId: sourceId(row.sourceId),
  createdAtMs: row.createdAtMs,
  ...(row.revokedAtMs === null ? {} : { revokedAtMs: row.revokedAtMs }),
});

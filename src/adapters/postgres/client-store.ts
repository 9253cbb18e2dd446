import { and, asc, desc, eq, gt, isNull, ne, or, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type {
  Change,
  Client,
  ClientStore,
  ExternalName,
  NewClient,
  SpeakingClient,
} from '../../authorization/ports.ts';
import { Problem } from '../../core/problem.ts';
import { clientId, sourceId, type ClientId, type JsonObject, type Millis } from '../../core/vocabulary.ts';
import { scopes } from '../../http/caller.ts';
import type { Announcer, AuditEntry } from '../../pipeline/ports.ts';
import { type SetMaker, streamUpdatedSet } from '../../transmitter/control-sets.ts';
import { receiverOfClient } from '../../transmitter/receiver.ts';
import { insertAudit } from './audit-store.ts';
import { insertControlSets } from './control-deliveries.ts';
import type { Database, Statements } from './database.ts';
import { ensureSource } from './ensure-source.ts';
import { callerIssuers, clients } from './schema-clients.ts';
import { streams } from './schema-transmitter.ts';
import { sources } from './schema.ts';
import { toSource } from './source-store.ts';
import { countChange, toStream } from './stream-rows.ts';

export function createClientStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  /** For what its streams are told when it is revoked. */
  readonly maker: SetMaker;
}): ClientStore {
  const { database, announcer, maker } = options;
  const { db } = database;
  return {
    async create(client, change) {
      await database.transact(async (tx) => {
        const { sourceId: id, id: madeFor } = client;
        const person = client.kind === 'external' && client.person;
        await refuseUntrusted(tx, client);
        await ensureSource(tx, { id, person, madeFor, blamed: 'source' }, change);
        const added = await tx.insert(clients).values(toRow(client)).onConflictDoNothing().returning();
        if (added.length === 0) throw await whatIsTaken(tx, client);
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
      const [row] = await speaking(db).where(eq(clients.id, id));
      return row && toSpeaking(row);
    },

    async findExternal({ iss, clientId: named, sub }) {
      const [row] = await speaking(db)
        .where(
          and(
            eq(clients.issuer, iss),
            isNull(clients.revokedAtMs),
            saysNothingElse(clients.issuerClientId, named),
            saysNothingElse(clients.issuerSub, sub),
          ),
        )
        .orderBy(
          desc(sql`num_nonnulls(${clients.issuerClientId}, ${clients.issuerSub})`),
          asc(isNull(clients.issuerSub)),
        )
        .limit(1);
      return row && toSpeaking(row);
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
          await disableStreams(tx, id, change.atMs, maker);
          return true;
        }
        const before = await tx.select({ id: clients.id }).from(clients).where(eq(clients.id, id));
        return before.length > 0;
      });
      announcer.announce('tokens');
      announcer.announce('streams');
      announcer.announce('deliveries');
      return found;
    },
  };
}

const speaking = (db: Statements) =>
  db
    .select({ client: clients, source: sources })
    .from(clients)
    .innerJoin(sources, eq(sources.id, clients.sourceId));

type SpeakingRow = {
  readonly client: typeof clients.$inferSelect;
  readonly source: typeof sources.$inferSelect;
};

const toSpeaking = ({ client: row, source }: SpeakingRow): SpeakingClient => ({
  ...toClient(row),
  ...(row.secretSha256 === null ? {} : { secretHash: row.secretSha256 }),
  source: toSource(source),
});

/** A client that is not named by this member is named by whatever a token says there. */
const saysNothingElse = (column: PgColumn, said: string | undefined) =>
  said === undefined ? isNull(column) : or(isNull(column), eq(column, said));

/**
 * Who may call no more is sent nothing more but that. What waits is swept, and dropped at the latest when somebody enables a
 * stream again. All streams are locked: one that is being enabled is disabled after it.
 *
 * @see SSF 1.0 §8.1.2, §8.1.5
 */
async function disableStreams(tx: Statements, id: ClientId, atMs: Millis, maker: SetMaker): Promise<void> {
  const isOurs = eq(streams.receiver, receiverOfClient(id));
  await tx
    .select({ id: streams.id })
    .from(streams)
    .where(isOurs)
    .orderBy(asc(streams.id))
    .for('no key update');
  const disabled = await tx
    .update(streams)
    .set({ status: 'disabled', statusReason: 'Its client was revoked.', updatedAtMs: atMs })
    .where(and(isOurs, ne(streams.status, 'disabled')))
    .returning();
  if (disabled.length === 0) return;
  await countChange(tx);
  for (const row of disabled) {
    const stream = toStream(row);
    await insertControlSets(tx, stream.id, [streamUpdatedSet(stream, atMs, maker)], atMs);
  }
}

/** Whoever is no longer trusted keeps the clients that were named by it: they come back with it. */
async function refuseUntrusted(tx: Statements, client: NewClient): Promise<void> {
  if (client.kind === 'own') return;
  const { iss } = client.named;
  const [trusted] = await tx
    .select({ url: callerIssuers.url })
    .from(callerIssuers)
    .where(eq(callerIssuers.url, iss))
    .for('share');
  if (trusted !== undefined) return;
  throw new Problem('invalid-request', 'Tokens of this issuer are not taken from callers of the hub.', {
    hint: 'Trust it with PUT /v1/caller-issuers first; /v1/issuers is about what points accept.',
    errors: [{ path: '/external/iss', message: 'is not trusted about callers' }],
  });
}

async function whatIsTaken(tx: Statements, client: NewClient): Promise<Problem> {
  const [there] = await tx.select({ id: clients.id }).from(clients).where(eq(clients.id, client.id));
  if (there !== undefined) return nameTaken(client);
  return new Problem('conflict', 'Another client is named so by the tokens of that issuer.', {
    hint: 'GET /v1/clients shows which; revoke it first.',
    errors: [{ path: '/external', message: 'names another client' }],
  });
}

const nameTaken = ({ id }: NewClient): Problem =>
  new Problem('conflict', `There is or was a client "${id}".`, {
    hint: 'Take another client_id: kills and the audit name a client by it, so that none is used again.',
    errors: [{ path: '/client_id', message: 'is taken' }],
  });

function toEntry(action: string, client: Client, { actor, atMs, correlationId }: Change): AuditEntry {
  const detail: JsonObject = {
    scopes: [...client.scopes],
    dpop_bound: client.dpopBound,
    source: client.sourceId,
    ...(client.profile === undefined ? {} : { profile: client.profile }),
    ...(client.kind === 'external'
      ? { external: { ...client.named }, person: client.person }
      : { auth_method: client.authMethod, ...(client.jwks === undefined ? {} : { jwks: client.jwks }) }),
  };
  const base = { atMs, actor, ...(correlationId === undefined ? {} : { correlationId }) };
  return { ...base, action, target: client.id, outcome: 'done', detail };
}

const toRow = (client: NewClient): typeof clients.$inferInsert => ({
  id: client.id,
  description: client.description ?? null,
  scopes: [...client.scopes],
  dpopBound: client.dpopBound,
  profile: client.profile ?? null,
  sourceId: client.sourceId,
  createdAtMs: client.createdAtMs,
  ...(client.kind === 'external'
    ? {
        issuer: client.named.iss,
        issuerClientId: client.named.clientId ?? null,
        issuerSub: client.named.sub ?? null,
        person: client.person,
      }
    : {
        authMethod: client.authMethod,
        secretSha256: client.secretHash ?? null,
        jwks: client.jwks ?? null,
      }),
});

/** A scope that this release does not know gives nothing. */
function toClient(row: typeof clients.$inferSelect): Client {
  const any = {
    id: clientId(row.id),
    ...(row.description === null ? {} : { description: row.description }),
    scopes: scopes.filter((scope) => row.scopes.includes(scope)),
    dpopBound: row.dpopBound,
    ...(row.profile === null ? {} : { profile: row.profile }),
    sourceId: sourceId(row.sourceId),
    createdAtMs: row.createdAtMs,
    ...(row.revokedAtMs === null ? {} : { revokedAtMs: row.revokedAtMs }),
  };
  if (row.issuer !== null)
    return { ...any, kind: 'external', named: nameOf(row.issuer, row), person: row.person };
  if (row.authMethod === null) throw new Error(`the client ${row.id} is of no kind`);
  return {
    ...any,
    kind: 'own',
    authMethod: row.authMethod,
    ...(row.jwks === null ? {} : { jwks: row.jwks }),
  };
}

const nameOf = (
  iss: string,
  { issuerClientId: named, issuerSub: sub }: typeof clients.$inferSelect,
): ExternalName => ({
  iss,
  ...(named === null ? {} : { clientId: named }),
  ...(sub === null ? {} : { sub }),
});

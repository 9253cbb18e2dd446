import { and, asc, eq, gt, inArray, isNull, sql } from 'drizzle-orm';
import type { ApiToken, BootstrapOutcome, Change, NewToken, TokenStore } from '../../authorization/ports.ts';
import { Problem } from '../../core/problem.ts';
import { pointName, sourceId, tokenId, type JsonObject, type TokenId } from '../../core/vocabulary.ts';
import { scopes } from '../../http/caller.ts';
import type { Announcer, AuditEntry } from '../../pipeline/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { ensureSource } from './ensure-source.ts';
import { apiTokens, points, sources } from './schema.ts';
import { toSource } from './source-store.ts';

/** Rows that one statement touches. */
const ROWS_MAX = 1_000;

export function createTokenStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): TokenStore {
  const { database, announcer } = options;
  const { db } = database;
  return {
    async create(token, change) {
      await database.transact(async (tx) => {
        await refuseEndedMaker(tx, token);
        await refuseUnknownPoint(tx, token);
        await ensureSource(tx, sourceFor(token), change);
        await tx.insert(apiTokens).values(toRow(token));
        await insertAudit(tx, [toEntry('token.created', token, change)]);
      });
    },

    async putBootstrap(token, change) {
      const outcome = await database.transact((tx) => putBootstrap(tx, token, change));
      if (outcome === 'replaced') announcer.announce('tokens');
      return outcome;
    },

    async list({ after, limit }) {
      const rows = await db
        .select()
        .from(apiTokens)
        .where(after === undefined ? undefined : gt(apiTokens.id, after))
        .orderBy(asc(apiTokens.id))
        .limit(limit);
      return rows.map(toToken);
    },

    async find(id) {
      const [row] = await db.select().from(apiTokens).where(eq(apiTokens.id, id));
      return row && toToken(row);
    },

    async findBySecret(hash) {
      const [row] = await db
        .select({ token: apiTokens, source: sources })
        .from(apiTokens)
        .innerJoin(sources, eq(sources.id, apiTokens.sourceId))
        .where(eq(apiTokens.secretSha256, hash));
      return row && { ...toToken(row.token), source: toSource(row.source) };
    },

    async revoke(id, change) {
      const found = await database.transact((tx) => revoke(tx, id, change));
      announcer.announce('tokens');
      return found;
    },

    async ended(ids) {
      const living = new Set<string>();
      for (const some of chunks(ids)) {
        const rows = await db
          .select({ id: apiTokens.id })
          .from(apiTokens)
          .where(and(inArray(apiTokens.id, some), isNull(apiTokens.revokedAtMs)));
        for (const { id } of rows) living.add(id);
      }
      return ids.filter((id) => !living.has(id));
    },

    async noteUsed(ids, atMs) {
      for (const some of chunks(ids)) {
        await db.update(apiTokens).set({ lastUsedAtMs: atMs }).where(inArray(apiTokens.id, some));
      }
    },
  };
}

async function putBootstrap(tx: Statements, token: NewToken, change: Change): Promise<BootstrapOutcome> {
  const [before] = await tx.select().from(apiTokens).where(eq(apiTokens.id, token.id)).for('update');
  if (before !== undefined && Buffer.compare(before.secretSha256, token.secretHash) === 0) {
    return before.revokedAtMs === null ? 'unchanged' : 'revoked';
  }
  await ensureSource(tx, sourceFor(token), change);
  const row = { ...toRow(token), revokedAtMs: null, lastUsedAtMs: null };
  await tx.insert(apiTokens).values(row).onConflictDoUpdate({ target: apiTokens.id, set: row });
  await insertAudit(tx, [toEntry(before ? 'token.replaced' : 'token.created', token, change)]);
  return before ? 'replaced' : 'created';
}

/** Whoever makes one more under the lock of its maker is seen by the next look; nobody makes one with a revoked token. */
async function revoke(tx: Statements, id: TokenId, change: Change): Promise<boolean> {
  const [found] = await tx
    .select({ id: apiTokens.id })
    .from(apiTokens)
    .where(eq(apiTokens.id, id))
    .for('update');
  if (found === undefined) return false;
  const line = sql`(WITH RECURSIVE line AS (
    SELECT ${id}::text AS id UNION SELECT t.id FROM hub.api_tokens t JOIN line ON t.made_by = line.id)
    SELECT line.id FROM line)`;
  for (;;) {
    const revoked = await tx
      .update(apiTokens)
      .set({ revokedAtMs: change.atMs })
      .where(and(inArray(apiTokens.id, line), isNull(apiTokens.revokedAtMs)))
      .returning();
    if (revoked.length === 0) return true;
    await insertAudit(
      tx,
      revoked.map((row) => toEntry('token.revoked', toToken(row), change)),
    );
  }
}

async function refuseEndedMaker(tx: Statements, { madeBy }: NewToken): Promise<void> {
  if (madeBy === undefined) return;
  const living = and(eq(apiTokens.id, madeBy), isNull(apiTokens.revokedAtMs));
  const [maker] = await tx.select({ id: apiTokens.id }).from(apiTokens).where(living).for('share');
  if (maker === undefined) throw new Problem('unauthenticated', 'The token was revoked.');
}

async function refuseUnknownPoint(tx: Statements, { point }: NewToken): Promise<void> {
  if (point === undefined) return;
  const living = and(eq(points.name, point), isNull(points.retiredAtMs));
  const [found] = await tx.select({ name: points.name }).from(points).where(living);
  if (found !== undefined) return;
  throw new Problem('invalid-request', `There is no point "${point}".`, {
    hint: 'Add it with POST /v1/points first.',
    errors: [{ path: '/point', message: 'is unknown' }],
  });
}

const sourceFor = ({ sourceId: id, person, id: madeFor }: NewToken) =>
  ({ id, person, madeFor, blamed: 'person' }) as const;

const base = ({ actor, atMs, correlationId }: Change) => ({
  atMs,
  actor,
  ...(correlationId === undefined ? {} : { correlationId }),
});

function toEntry(action: string, token: ApiToken, change: Change): AuditEntry {
  const detail: JsonObject = {
    actor: token.actor,
    scopes: [...token.scopes],
    source: token.sourceId,
    ...(token.point === undefined ? {} : { point: token.point }),
    ...(token.madeBy === undefined ? {} : { made_by: token.madeBy }),
    ...(token.expiresAtMs === undefined ? {} : { expires_at_ms: token.expiresAtMs }),
  };
  return { ...base(change), action, target: token.id, outcome: 'done', detail };
}

const toRow = (token: NewToken): typeof apiTokens.$inferInsert => ({
  id: token.id,
  actor: token.actor,
  secretSha256: token.secretHash,
  scopes: [...token.scopes],
  sourceId: token.sourceId,
  point: token.point ?? null,
  createdAtMs: token.createdAtMs,
  madeBy: token.madeBy ?? null,
  expiresAtMs: token.expiresAtMs ?? null,
});

/** A scope that this release does not know gives nothing. */
const toToken = (row: typeof apiTokens.$inferSelect): ApiToken => ({
  id: tokenId(row.id),
  actor: row.actor,
  scopes: scopes.filter((scope) => row.scopes.includes(scope)),
  sourceId: sourceId(row.sourceId),
  ...(row.point === null ? {} : { point: pointName(row.point) }),
  createdAtMs: row.createdAtMs,
  ...(row.madeBy === null ? {} : { madeBy: tokenId(row.madeBy) }),
  ...(row.expiresAtMs === null ? {} : { expiresAtMs: row.expiresAtMs }),
  ...(row.revokedAtMs === null ? {} : { revokedAtMs: row.revokedAtMs }),
  ...(row.lastUsedAtMs === null ? {} : { lastUsedAtMs: row.lastUsedAtMs }),
});

const chunks = (ids: readonly TokenId[]): TokenId[][] =>
  Array.from({ length: Math.ceil(ids.length / ROWS_MAX) }, (_, index) =>
    ids.slice(index * ROWS_MAX, (index + 1) * ROWS_MAX),
  );

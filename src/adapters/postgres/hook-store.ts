import { asc, count, eq, gt, sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import { type JsonObject, sourceId } from '../../core/vocabulary.ts';
import { hooksMax } from '../../hooks/limits.ts';
import type { Hook, HookActivity, HookSecret, HookStore, SpeakingHook } from '../../hooks/ports.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { Sealer } from '../system/sealer.ts';
import { doneEntry, insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { ensureSource } from './ensure-source.ts';
import { hooks } from './schema-hooks.ts';
import { sources } from './schema.ts';
import { toSource } from './source-store.ts';

type HookRow = typeof hooks.$inferSelect;
type Row = { readonly hook: HookRow; readonly source: typeof sources.$inferSelect };

export function createHookStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly sealer: Sealer;
  /** The secrets of a hook do not open: it takes nothing until they are set anew. */
  readonly onSealed: (hook: string, error: unknown) => void;
}): HookStore {
  const { database, announcer, sealer, onSealed } = options;
  const speaking = (db: Statements) =>
    db
      .select({ hook: hooks, source: sources })
      .from(hooks)
      .innerJoin(sources, eq(sources.id, hooks.sourceId));
  const secretsOf = ({ sourceId: id, secretsSealed }: HookRow): readonly HookSecret[] => {
    try {
      return JSON.parse(sealer.open(secretsSealed, contextOf(id))) as HookSecret[];
    } catch (error) {
      onSealed(id, error);
      return [];
    }
  };
  const toHook = (row: HookRow): Hook => ({
    id: sourceId(row.sourceId),
    kind: row.kind,
    options: row.options,
    ...(row.mapping === null ? {} : { mapping: row.mapping }),
    secrets: secretsOf(row),
    createdAtMs: row.createdAtMs,
    updatedAtMs: row.updatedAtMs,
  });
  const toSpeaking = ({ hook, source }: Row): SpeakingHook => ({ ...toHook(hook), source: toSource(source) });
  const toRow = (hook: Hook) => ({
    sourceId: hook.id as string,
    kind: hook.kind,
    options: hook.options,
    mapping: hook.mapping ?? null,
    secretsSealed: sealer.seal(JSON.stringify(hook.secrets), contextOf(hook.id)),
    createdAtMs: hook.createdAtMs,
    updatedAtMs: hook.updatedAtMs,
  });
  return {
    async list({ after, limit }) {
      const rows = await speaking(database.db)
        .where(after === undefined ? undefined : gt(hooks.sourceId, after))
        .orderBy(asc(hooks.sourceId))
        .limit(limit);
      return rows.map(toSpeaking);
    },

    async find(id) {
      const [row] = await speaking(database.db).where(eq(hooks.sourceId, id));
      return row && { ...toSpeaking(row), activity: toActivity(row.hook) };
    },

    async put(id, make, change) {
      const done = await database.transact(async (tx) => {
        await tx.execute(sql`LOCK TABLE ${hooks} IN SHARE ROW EXCLUSIVE MODE`);
        const [row] = await tx.select().from(hooks).where(eq(hooks.sourceId, id));
        if (row === undefined) await refuseMore(tx);
        const hook = make(row && toHook(row));
        await ensureSource(tx, { id, person: false, madeFor: `hook ${id}`, blamed: 'source' }, change);
        const values = toRow(hook);
        await tx.insert(hooks).values(values).onConflictDoUpdate({ target: hooks.sourceId, set: values });
        const action = row === undefined ? 'hook.added' : 'hook.changed';
        await insertAudit(tx, [doneEntry(action, id, change, shownOf(hook))]);
        return row === undefined ? ('created' as const) : ('replaced' as const);
      });
      announcer.announce('tokens');
      return done;
    },

    async remove(id, change) {
      const removed = await database.transact(async (tx) => {
        const rows = await tx.delete(hooks).where(eq(hooks.sourceId, id)).returning({ id: hooks.sourceId });
        if (rows.length > 0) await insertAudit(tx, [doneEntry('hook.removed', id, change)]);
        return rows.length > 0;
      });
      announcer.announce('tokens');
      return removed;
    },

    async addActivity(activity) {
      await database.transact(async (tx) => {
        for (const [id, since] of activity) await addActivityIn(tx, id, since);
      });
    },
  };
}

const contextOf = (id: string): string => `hook ${id}`;

async function refuseMore(tx: Statements): Promise<void> {
  const [counted] = await tx.select({ all: count() }).from(hooks);
  if ((counted?.all ?? 0) < hooksMax) return;
  throw new Problem('conflict', `There are ${hooksMax} hooks already.`, {
    hint: 'Remove those that nothing sends to any more: GET /v1/hooks says when each last took something.',
  });
}

async function addActivityIn(tx: Statements, id: string, since: HookActivity): Promise<void> {
  await tx
    .update(hooks)
    .set({
      accepted: sql`${hooks.accepted} + ${since.accepted}`,
      ignored: sql`${hooks.ignored} + ${since.ignored}`,
      failed: sql`${hooks.failed} + ${since.failed}`,
      refused: sql`${hooks.refused} + ${since.refused}`,
      ...(since.lastAcceptedAtMs === undefined ? {} : { lastAcceptedAtMs: since.lastAcceptedAtMs }),
      ...(since.lastFailure === undefined ? {} : { lastFailure: since.lastFailure }),
    })
    .where(eq(hooks.sourceId, id));
}

const toActivity = (row: HookRow): HookActivity => ({
  accepted: row.accepted,
  ignored: row.ignored,
  failed: row.failed,
  refused: row.refused,
  ...(row.lastAcceptedAtMs === null ? {} : { lastAcceptedAtMs: row.lastAcceptedAtMs }),
  ...(row.lastFailure === null ? {} : { lastFailure: row.lastFailure }),
});

/** Never a secret: when each came about says whether it was rotated. */
const shownOf = ({ kind, options, mapping, secrets }: Hook): JsonObject => ({
  kind,
  options: { ...options },
  mapping: mapping ?? null,
  secrets_since_ms: secrets.map(({ sinceMs }) => sinceMs),
});

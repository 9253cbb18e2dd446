import { createHash } from 'node:crypto';
import { and, asc, count, eq, or, lt, sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import { sourceId, upstreamId, type JsonObject } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import {
  upstreamsMax,
  type NewUpstream,
  type Upstream,
  type UpstreamProgress,
  type UpstreamSecrets,
  type UpstreamStore,
} from '../../receiver/ports.ts';
import type { Sealer } from '../system/sealer.ts';
import { doneEntry, insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { ensureSource } from './ensure-source.ts';
import { sources } from './schema.ts';
import { toSource } from './source-store.ts';
import { upstreams } from './schema-upstreams.ts';

export function createUpstreamStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly sealer: Sealer;
}): UpstreamStore {
  const { database, announcer, sealer } = options;
  const { db } = database;
  const announce = () => announcer.announce('configuration');
  return {
    async list() {
      const rows = await withSources(db).orderBy(asc(upstreams.name)).limit(upstreamsMax);
      return rows.map(toUpstream);
    },

    async find(name) {
      const [row] = await withSources(db).where(eq(upstreams.name, name));
      return row && toUpstream(row);
    },

    async secretsOf(name) {
      const [row] = await db
        .select({ sealed: upstreams.secretsSealed })
        .from(upstreams)
        .where(eq(upstreams.name, name));
      return row && (JSON.parse(sealer.open(row.sealed, contextOf(name))) as UpstreamSecrets);
    },

    async add(upstream, secrets, limits, change) {
      await database.transact(async (tx) => {
        // The source keeps its limits where it is there: it may speak through another door as well.
        const source = { id: upstream.name, person: false, madeFor: contextOf(upstream.name) };
        await ensureSource(tx, { ...source, limits, blamed: 'source' }, change);
        await refuseMore(tx);
        const rows = await tx
          .insert(upstreams)
          .values({
            ...toRow(upstream),
            pushAuthorizationSha256: createHash('sha256').update(secrets.pushAuthorization).digest(),
            secretsSealed: sealer.seal(JSON.stringify(secrets), contextOf(upstream.name)),
          })
          .onConflictDoNothing()
          .returning({ name: upstreams.name });
        if (rows.length === 0) throw taken(upstream.name);
        await insertAudit(tx, [doneEntry('upstream.added', upstream.name, change, shownOf(upstream))]);
      });
      announce();
    },

    async setPaused(name, paused, change) {
      const done = await database.transact(async (tx) => {
        const rows = await tx
          .update(upstreams)
          .set({ paused, ...(paused ? {} : { dueAtMs: change.atMs }) })
          .where(eq(upstreams.name, name))
          .returning({ name: upstreams.name });
        if (rows.length === 0) return false;
        await insertAudit(tx, [doneEntry(paused ? 'upstream.paused' : 'upstream.resumed', name, change)]);
        return true;
      });
      announce();
      return done;
    },

    async remove(name, change) {
      const done = await database.transact(async (tx) => {
        const rows = await tx
          .delete(upstreams)
          .where(eq(upstreams.name, name))
          .returning({ name: upstreams.name });
        if (rows.length > 0) await insertAudit(tx, [doneEntry('upstream.removed', name, change)]);
        return rows.length > 0;
      });
      announce();
      return done;
    },

    async note(name, progress) {
      await db.update(upstreams).set(columnsOf(progress)).where(eq(upstreams.name, name));
      announce();
    },

    async noteSet(name, atMs) {
      await db
        .update(upstreams)
        .set({ lastSetAtMs: atMs })
        .where(and(eq(upstreams.name, name), sql`coalesce(${upstreams.lastSetAtMs}, 0) < ${atMs}`));
    },

    async holdPoll(name, { holder, untilMs, nowMs }) {
      const rows = await db
        .update(upstreams)
        .set({ polledBy: holder, polledUntilMs: untilMs })
        .where(
          and(
            eq(upstreams.name, name),
            or(eq(upstreams.polledBy, holder), lt(upstreams.polledUntilMs, nowMs)),
          ),
        )
        .returning({ name: upstreams.name });
      return rows.length > 0;
    },
  };
}

/** Whose secrets they are. */
export const contextOf = (name: string): string => `upstream ${name}`;

async function refuseMore(tx: Statements): Promise<void> {
  const [counted] = await tx.select({ all: count() }).from(upstreams);
  if ((counted?.all ?? 0) < upstreamsMax) return;
  throw new Problem('conflict', `The hub listens to ${upstreamsMax} upstreams already.`, {
    hint: 'Remove those that are silent for good.',
  });
}

const taken = (name: string): Problem =>
  new Problem('conflict', `There is an upstream ${name}.`, {
    hint: 'Remove it first, or use another name.',
    errors: [{ path: '/name', message: 'is taken' }],
  });

const withSources = (db: Statements) =>
  db
    .select({ row: upstreams, source: sources })
    .from(upstreams)
    .innerJoin(sources, eq(sources.id, upstreams.name));

type Joined = { readonly row: typeof upstreams.$inferSelect; readonly source: typeof sources.$inferSelect };

const toUpstream = ({ row, source }: Joined): Upstream => ({
  id: upstreamId(row.id),
  name: sourceId(row.name),
  source: toSource(source),
  settings: row.settings,
  pushAuthorizationSha256: row.pushAuthorizationSha256,
  paused: row.paused,
  ...(row.binding === null ? {} : { binding: row.binding }),
  ...(row.streamStatus === null
    ? {}
    : {
        streamStatus: {
          status: row.streamStatus,
          ...(row.streamStatusReason === null ? {} : { reason: row.streamStatusReason }),
        },
      }),
  verification: {
    ...(row.verificationState === null ? {} : { state: row.verificationState }),
    ...(row.verificationRequestedAtMs === null ? {} : { requestedAtMs: row.verificationRequestedAtMs }),
    ...(row.verifiedAtMs === null ? {} : { verifiedAtMs: row.verifiedAtMs }),
  },
  ...(row.lastSetAtMs === null ? {} : { lastSetAtMs: row.lastSetAtMs }),
  ...(row.failure === null ? {} : { failure: row.failure }),
  dueAtMs: row.dueAtMs,
  createdAtMs: row.createdAtMs,
});

const toRow = (upstream: NewUpstream) => ({
  name: upstream.name as string,
  id: upstream.id as string,
  settings: upstream.settings,
  binding: upstream.binding ?? null,
  dueAtMs: upstream.dueAtMs,
  createdAtMs: upstream.createdAtMs,
});

/** `null` takes away, what is absent stays. A verification that came takes the waiting for it away. */
export const columnsOf = ({
  binding,
  streamStatus,
  verification,
  verifiedAtMs,
  failure,
  dueAtMs,
}: UpstreamProgress) => ({
  ...(binding === undefined ? {} : { binding }),
  ...(streamStatus === undefined
    ? {}
    : { streamStatus: streamStatus?.status ?? null, streamStatusReason: streamStatus?.reason ?? null }),
  ...(verification === undefined
    ? {}
    : { verificationState: verification.state, verificationRequestedAtMs: verification.requestedAtMs }),
  ...(verifiedAtMs === undefined
    ? {}
    : { verifiedAtMs, verificationState: null, verificationRequestedAtMs: null }),
  ...(failure === undefined ? {} : { failure }),
  ...(dueAtMs === undefined ? {} : { dueAtMs }),
});

const shownOf = ({ settings }: NewUpstream): JsonObject => ({
  issuer: settings.issuer,
  delivery: settings.delivery,
  algorithm: settings.algorithm,
  managed: settings.unmanaged === undefined,
});

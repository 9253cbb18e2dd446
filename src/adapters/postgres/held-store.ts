import { and, asc, eq, sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import type { Source } from '../../core/source.ts';
import { revocationId, signalId } from '../../core/vocabulary.ts';
import type { Deciding, HeldSignal, HeldStore } from '../../intake/ports.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { lockFeed } from './feed-append.ts';
import { placeChange } from './revocation-feed.ts';
import { held, signals, sources } from './schema.ts';
import { recordOf } from './signal-reader.ts';
import { statementOf } from './signal-rows.ts';
import { toSource } from './source-store.ts';
import { shareRegistry } from './standing-binding.ts';
import { endStandingKills } from './standing-kills.ts';

export function createHeldStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): HeldStore {
  const { database, announcer } = options;
  return {
    async list(state, { after, limit }) {
      const rows = await database.db
        .select()
        .from(held)
        .innerJoin(signals, eq(signals.id, held.signalId))
        .where(
          and(
            eq(held.state, state),
            after && sql`(${held.deadlineMs}, ${held.signalId}) > (${after.deadlineMs}, ${after.id})`,
          ),
        )
        .orderBy(asc(held.deadlineMs), asc(held.signalId))
        .limit(limit);
      return rows.map(heldOf);
    },

    async find(id) {
      const [row] = await database.db
        .select()
        .from(held)
        .innerJoin(signals, eq(signals.id, held.signalId))
        .where(eq(held.signalId, id));
      return row && heldOf(row);
    },

    approve: (id, by) => database.transact((tx) => approve(tx, id, by)),

    async discard(id, by) {
      const discarded = await database.transact((tx) => discard(tx, id, by));
      if (discarded) announcer.announce('feed');
      return discarded;
    },

    async due(nowMs, limit) {
      const rows = await database.db
        .select()
        .from(held)
        .innerJoin(signals, eq(signals.id, held.signalId))
        .innerJoin(sources, eq(sources.id, held.sourceId))
        .where(and(eq(held.state, 'waiting'), sql`${held.deadlineMs} <= ${nowMs}`))
        .orderBy(asc(held.deadlineMs))
        .limit(limit);
      return rows.map((row) => ({
        signalId: signalId(row.held.signalId),
        atDeadline: row.held.atDeadline,
        statement: statementOf(row.signals, toSource(row.sources)),
      }));
    },
  };
}

type HeldRow = { readonly held: typeof held.$inferSelect; readonly signals: typeof signals.$inferSelect };

const heldOf = ({ held: row, signals: signal }: HeldRow): HeldSignal => ({
  signal: recordOf(signal),
  code: row.code,
  text: row.text,
  approvalsRequired: row.approvalsRequired,
  approvals: row.approvals.map(({ actor, at_ms: atMs }) => ({ actor, atMs })),
  state: row.state,
  deadlineMs: row.deadlineMs,
  atDeadline: row.atDeadline,
  ...(row.decidedBy === null ? {} : { decidedBy: row.decidedBy }),
  ...(row.decidedAtMs === null ? {} : { decidedAtMs: row.decidedAtMs }),
});

/** Locks the row until the transaction ends. */
async function lockWaiting(tx: Statements, id: string): Promise<HeldRow | undefined> {
  const [row] = await tx.select().from(held).where(eq(held.signalId, id)).for('update');
  if (row === undefined) return undefined;
  if (row.state !== 'waiting') {
    throw new Problem('already-decided', `The signal was ${row.state} by ${row.decidedBy}.`, {
      extra: { state: row.state },
    });
  }
  const [signal] = await tx.select().from(signals).where(eq(signals.id, id));
  return signal && { held: row, signals: signal };
}

async function approve(tx: Statements, id: string, by: Deciding) {
  const row = await lockWaiting(tx, id);
  if (row === undefined) return undefined;
  if (row.signals.actor === by.actor) {
    throw new Problem('approval-by-requester', 'Who made the signal cannot approve it.', {
      hint: 'Somebody else must look at it; you may discard it.',
    });
  }
  const before = row.held.approvals;
  const isNew = !before.some(({ actor }) => actor === by.actor);
  const approvals = isNew ? [...before, { actor: by.actor, at_ms: by.atMs }] : before;
  if (isNew) {
    await tx.update(held).set({ approvals }).where(eq(held.signalId, id));
    await insertAudit(tx, [auditOf('signal.approved', row, by)]);
  }
  if (approvals.length < row.held.approvalsRequired) return { enough: false as const };
  return {
    enough: true as const,
    statement: statementOf(row.signals, await sourceOf(tx, row.held.sourceId)),
  };
}

/** As it is limited now: a release is not asked again what held it, but everything else. */
async function sourceOf(tx: Statements, id: string): Promise<Source> {
  const [row] = await tx.select().from(sources).where(eq(sources.id, id));
  if (row === undefined) throw new Error(`the source ${id} of a held signal is gone`);
  return toSource(row);
}

async function discard(tx: Statements, id: string, by: Deciding): Promise<true | undefined> {
  await shareRegistry(tx);
  const row = await lockWaiting(tx, id);
  if (row === undefined) return undefined;
  await tx
    .update(held)
    .set({ state: 'discarded', decidedBy: by.actor, decidedAtMs: by.atMs })
    .where(eq(held.signalId, id));
  await tx.update(signals).set({ outcome: 'discarded' }).where(eq(signals.id, id));
  await endStandingKills(tx, { ids: [], ofSignals: [signalId(id)] });
  await lockFeed(tx);
  const { rows } = await tx.execute<{ id: string }>(sql`
    SELECT id FROM hub.revocations WHERE state = 'live' AND signal_id = ${id}`);
  const endings = rows.map((entry) => ({ id: revocationId(entry.id), by: id }));
  const placed = await placeChange(tx, { endings, endTo: 'lifted', puts: [] }, by.atMs);
  await placed.write();
  await insertAudit(tx, [
    auditOf('signal.discarded', row, by),
    ...placed.ended.map((entry) => ({
      ...auditOf('revocation.lifted', row, by),
      target: entry.id,
      detail: { signal_id: id },
    })),
  ]);
  return true;
}

const auditOf = (action: string, row: HeldRow, by: Deciding) => ({
  atMs: by.atMs,
  actor: by.actor,
  action,
  target: row.held.signalId,
  outcome: 'done' as const,
  txn: row.signals.txn,
  ...(by.correlationId === undefined ? {} : { correlationId: by.correlationId }),
  detail: { code: row.held.code },
});

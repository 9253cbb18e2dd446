import { isDeepStrictEqual } from 'node:util';
import { and, asc, eq, isNull, lt, sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import { type Stream } from '../../core/stream.ts';
import { streamId, type StreamId } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { activityLagMs, streamsPerReceiverMax } from '../../transmitter/limits.ts';
import type { By, StreamChange, StreamStore } from '../../transmitter/ports.ts';
import { clientOf } from '../../transmitter/receiver.ts';
import type { Sealer } from '../system/sealer.ts';
import { insertAudit } from './audit-store.ts';
import { dropPending, insertControlSets } from './control-deliveries.ts';
import type { Database, Statements } from './database.ts';
import { clients } from './schema-clients.ts';
import { deletedStreams, streams } from './schema-transmitter.ts';
import { auditOf, countChange, type StreamRow, toSettings, toStream, toTimes } from './stream-rows.ts';

export function createStreamStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly sealer: Sealer;
}): StreamStore {
  const { database, announcer, sealer } = options;
  const { db } = database;
  const seal = (id: StreamId, authorization: string) => sealer.seal(authorization, authorizationContext(id));
  return {
    async create(stream, authorization, by) {
      await database.transact(async (tx) => {
        // Whoever revokes the client waits, and then disables this stream, too.
        await requireLivingClient(tx, stream.receiver, 'share');
        // Whoever creates another one waits here: nobody counts the same streams.
        await countChange(tx);
        await refuseTooMany(tx, stream.receiver);
        await tx.insert(streams).values({
          id: stream.id,
          receiver: stream.receiver,
          aud: stream.aud,
          profile: stream.profile ?? null,
          ...toSettings(stream),
          ...toTimes(stream),
          createdAtMs: stream.createdAtMs,
          authorizationSealed: authorization === undefined ? null : seal(stream.id, authorization),
        });
        await insertAudit(tx, [
          auditOf(stream.id, by, { action: 'stream.created', detail: shownOf(stream) }),
        ]);
      });
      announcer.announce('streams');
    },

    async list({ receiver, after, limit }) {
      const rows = await db
        .select()
        .from(streams)
        .where(
          and(
            receiver === undefined ? undefined : eq(streams.receiver, receiver),
            after && sql`(${streams.createdAtMs}, ${streams.id}) > (${after.atMs}::bigint, ${after.id})`,
          ),
        )
        .orderBy(asc(streams.createdAtMs), asc(streams.id))
        .limit(limit);
      return rows.map(toStream);
    },

    async find(id) {
      const [row] = await db.select().from(streams).where(eq(streams.id, id));
      return row && toStream(row);
    },

    async update(id, change, by) {
      let done: Updated | undefined;
      do {
        done = await database.transact((tx) => updateIn(tx, id, change, by, seal));
      } while (done?.isDue === true);
      if (done?.counted === true) announcer.announce('streams');
      if (done?.wakes === true) announcer.announce('deliveries');
      return done?.stream;
    },

    async remove(id, by) {
      const removed = await database.transact(async (tx) => {
        const row = await lockStream(tx, id);
        if (row === undefined) return false;
        await countChange(tx);
        await tx.delete(streams).where(eq(streams.id, id));
        await tx.insert(deletedStreams).values({ id });
        const detail = shownOf(toStream(row));
        await insertAudit(tx, [auditOf(id, by, { action: 'stream.deleted', detail })]);
        return true;
      });
      if (removed) announcer.announce('streams');
      return removed;
    },

    async authorizationOf(id) {
      const [row] = await db
        .select({ sealed: streams.authorizationSealed })
        .from(streams)
        .where(eq(streams.id, id));
      return row === undefined || row.sealed === null
        ? undefined
        : sealer.open(row.sealed, authorizationContext(id));
    },

    async noteActivity(id, atMs) {
      await db
        .update(streams)
        .set({ lastActivityAtMs: atMs })
        .where(and(eq(streams.id, id), lt(streams.lastActivityAtMs, atMs - activityLagMs)));
    },

    async listInactive(nowMs, limit) {
      const rows = await db
        .select({ id: streams.id })
        .from(streams)
        .where(
          sql`${streams.inactivityTimeout} IS NOT NULL AND ${streams.status} = 'enabled'
            AND ${streams.lastActivityAtMs} + ${streams.inactivityTimeout} * 1000::bigint < ${nowMs}::bigint`,
        )
        .orderBy(asc(streams.lastActivityAtMs))
        .limit(limit);
      return rows.map((row) => streamId(row.id));
    },
  };
}

/** Against other changes only: SETs for the stream go on being written meanwhile. */
export async function lockStream(tx: Statements, id: StreamId): Promise<StreamRow | undefined> {
  const [row] = await tx.select().from(streams).where(eq(streams.id, id)).for('no key update');
  return row;
}

/** What an Authorization value is sealed to. */
export const authorizationContext = (id: StreamId): string => `authorization of stream ${id}`;

type Updated = {
  readonly stream: Stream;
  readonly counted: boolean;
  /** There are SETs that may go now. */
  readonly wakes: boolean;
  /** It has not been changed yet: there was more to drop before than one transaction does. */
  readonly isDue?: true;
};

async function updateIn(
  tx: Statements,
  id: StreamId,
  change: (stream: Stream) => StreamChange | undefined,
  by: By,
  seal: (id: StreamId, authorization: string) => Uint8Array,
): Promise<Updated | undefined> {
  const row = await lockStream(tx, id);
  if (row === undefined) return undefined;
  const before = toStream(row);
  const changed = change(before);
  if (changed === undefined) return { stream: before, counted: false, wakes: false };
  const { stream, authorization, sets = [], drops, audit } = changed;
  if (before.status === 'disabled' && stream.status !== 'disabled') {
    await requireLivingClient(tx, stream.receiver);
  }
  const allDropped = drops === undefined || (await dropPending(tx, id, by.atMs));
  // The sweep may not have come by: nothing of what was dropped leaves when a stream is enabled again.
  if (!allDropped && before.status === 'disabled' && stream.status !== 'disabled') {
    return { stream: before, counted: false, wakes: false, isDue: true };
  }
  const settings = toSettings(stream);
  const counted = authorization !== undefined || !isDeepStrictEqual(settings, toSettings(before));
  if (counted) await countChange(tx);
  const reconnects = counted && isSentAnew(before, changed);
  const [after] = await tx
    .update(streams)
    .set({
      ...settings,
      ...toTimes(stream),
      ...(reconnects ? { blockedUntilMs: 0, failuresInRow: 0, triedAtMs: 0 } : {}),
      ...(authorization === undefined
        ? {}
        : { authorizationSealed: authorization === null ? null : seal(id, authorization) }),
    })
    .where(eq(streams.id, id))
    .returning();
  await insertControlSets(tx, id, sets, by.atMs);
  await insertAudit(tx, [auditOf(id, by, audit)]);
  return { stream: toStream(after ?? row), counted, wakes: reconnects || sets.length > 0 };
}

/**
 * Somebody may have been let in before the client was revoked, and be served after it.
 *
 * @param lock not where a stream is locked: who revokes a client locks its streams.
 */
async function requireLivingClient(tx: Statements, receiver: string, lock?: 'share'): Promise<void> {
  const id = clientOf(receiver);
  if (id === undefined) return;
  const query = tx
    .select({ id: clients.id })
    .from(clients)
    .where(and(eq(clients.id, id), isNull(clients.revokedAtMs)));
  const [living] = await (lock === undefined ? query : query.for(lock));
  if (living !== undefined) return;
  throw new Problem('invalid-request', `The client "${id}" was revoked: its streams stay disabled.`, {
    hint: 'Make another client, and streams of its own.',
  });
}

/** Where it goes, with what or whether has changed: what was given up on for a while is worth a try at once. */
const isSentAnew = (before: Stream, { stream, authorization }: StreamChange): boolean =>
  authorization !== undefined ||
  !isDeepStrictEqual(before.delivery, stream.delivery) ||
  (before.status !== 'enabled' && stream.status === 'enabled');

async function refuseTooMany(tx: Statements, receiver: string): Promise<void> {
  const count = await tx.$count(streams, eq(streams.receiver, receiver));
  if (count < streamsPerReceiverMax) return;
  throw new Problem('too-many-streams', `There are ${count} streams of this receiver, and no more may be.`, {
    hint: 'Change one that is there (PATCH, PUT), or delete one.',
  });
}

const shownOf = ({ receiver, profile, delivery, eventsDelivered }: Stream) => ({
  receiver,
  ...(profile === undefined ? {} : { profile }),
  method: delivery.method,
  ...(delivery.method === 'push' ? { endpoint_url: delivery.endpointUrl } : {}),
  events_delivered: [...eventsDelivered],
});

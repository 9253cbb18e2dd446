import { sql } from 'drizzle-orm';
import type { Stream } from '../../core/stream.ts';
import { type JsonObject, type StreamId, streamId } from '../../core/vocabulary.ts';
import type { AuditEntry } from '../../pipeline/ports.ts';
import type { By } from '../../transmitter/ports.ts';
import type { Statements } from './database.ts';
import { streamChanges, type streams } from './schema-transmitter.ts';

/**
 * A subject that makes no difference any more is kept as forgotten for so many changes, for nodes to hear of it. Who is
 * further behind reads the whole list.
 */
export const forgottenKeptVersions = 10_000;

export type StreamRow = typeof streams.$inferSelect;

export const toStream = (row: StreamRow): Stream => ({
  id: streamId(row.id),
  receiver: row.receiver,
  aud: row.aud,
  ...(row.profile === null ? {} : { profile: row.profile }),
  ...(row.eventsRequested === null ? {} : { eventsRequested: row.eventsRequested }),
  eventsDelivered: row.eventsDelivered,
  delivery:
    row.endpointUrl === null
      ? { method: 'poll' }
      : { method: 'push', endpointUrl: row.endpointUrl, isAuthorized: row.authorizationSealed !== null },
  ...(row.description === null ? {} : { description: row.description }),
  status: row.status,
  ...(row.statusReason === null ? {} : { statusReason: row.statusReason }),
  algorithm: row.algorithm,
  defaultSubjects: row.defaultSubjects,
  minVerificationIntervalSeconds: row.minVerificationInterval,
  ...(row.inactivityTimeout === null ? {} : { inactivityTimeoutSeconds: row.inactivityTimeout }),
  lastActivityAtMs: row.lastActivityAtMs,
  ...(row.lastVerificationAtMs === null ? {} : { lastVerificationAtMs: row.lastVerificationAtMs }),
  createdAtMs: row.createdAtMs,
  updatedAtMs: row.updatedAtMs,
});

/** All that a change of the stream may change. */
export const toSettings = (stream: Stream) => ({
  eventsRequested: stream.eventsRequested === undefined ? null : [...stream.eventsRequested],
  eventsDelivered: [...stream.eventsDelivered],
  method: stream.delivery.method,
  endpointUrl: stream.delivery.method === 'push' ? stream.delivery.endpointUrl : null,
  description: stream.description ?? null,
  status: stream.status,
  statusReason: stream.statusReason ?? null,
  algorithm: stream.algorithm,
  defaultSubjects: stream.defaultSubjects,
  minVerificationInterval: stream.minVerificationIntervalSeconds,
  inactivityTimeout: stream.inactivityTimeoutSeconds ?? null,
});

export const toTimes = (stream: Stream) => ({
  lastActivityAtMs: stream.lastActivityAtMs,
  lastVerificationAtMs: stream.lastVerificationAtMs ?? null,
  updatedAtMs: stream.updatedAtMs,
});

/**
 * Counts one change of streams or their subjects. It holds the counter until the transaction ends: whoever locks a stream,
 * too, locks that first.
 */
export async function countChange(tx: Statements): Promise<number> {
  const [row] = await tx
    .update(streamChanges)
    .set({ version: sql`${streamChanges.version} + 1` })
    .returning({ version: streamChanges.version });
  if (row === undefined) throw new Error('hub.stream_changes has no row');
  return row.version;
}

export const auditOf = (
  id: StreamId,
  by: By,
  { action, detail }: { readonly action: string; readonly detail?: JsonObject },
): AuditEntry => ({
  ...by,
  action,
  target: id,
  outcome: 'done',
  ...(detail === undefined ? {} : { detail }),
});

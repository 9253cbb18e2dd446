import { createHash } from 'node:crypto';
import { and, eq, gt, lt, or, sql } from 'drizzle-orm';
import { canonicalJson } from '../../core/canonical-json.ts';
import { Problem } from '../../core/problem.ts';
import type { StreamSubject } from '../../core/stream.ts';
import { shapeOf } from '../../core/subject-matching.ts';
import type { JsonObject, StreamId } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { subjectsPerStreamMax } from '../../transmitter/limits.ts';
import type { By, StreamSubjectStore } from '../../transmitter/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { streams, streamSubjects } from './schema-transmitter.ts';
import { auditOf, countChange, type StreamRow } from './stream-rows.ts';
import { lockStream } from './stream-store.ts';

export function createStreamSubjectStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): StreamSubjectStore {
  const { database, announcer } = options;
  return {
    async put(id, subject, by) {
      const changed = await database.transact((tx) => putIn(tx, id, subject, by));
      if (changed) announcer.announce('streams');
    },
    async count(id) {
      const [row] = await database.db
        .select({ subjects: streams.subjects })
        .from(streams)
        .where(eq(streams.id, id));
      return row?.subjects ?? 0;
    },
  };
}

/** Whether it makes a difference. */
async function putIn(tx: Statements, id: StreamId, entry: StreamSubject, by: By): Promise<boolean> {
  const stream = await lockStream(tx, id);
  if (stream === undefined) throw new Problem('not-found', 'There is no such stream.');
  const key = keyOf(entry.subject);
  const detail = { subject_key: key, verified: entry.verified };
  await insertAudit(tx, [auditOf(id, by, { action: `stream.subject-${entry.listed}`, detail })]);
  const gone = (await saysNothing(tx, stream, entry)) ? await forget(tx, id, key) : undefined;
  if (gone === 0) return false;
  const version = await countChange(tx);
  const grown = gone === undefined ? await remember(tx, stream, { key, entry, version, by }) : -gone;
  await tx
    .update(streams)
    .set({ subjects: stream.subjects + grown, subjectsVersion: version })
    .where(eq(streams.id, id));
  return true;
}

/**
 * It says what holds by default, and nothing that is listed says otherwise of the same events: among complex subjects, only
 * one with other members could.
 */
async function saysNothing(
  tx: Statements,
  { id, defaultSubjects }: StreamRow,
  { subject, listed, verified }: StreamSubject,
): Promise<boolean> {
  const byDefault = defaultSubjects === 'ALL' ? 'added' : 'removed';
  if (listed !== byDefault || (listed === 'added' && !verified)) return false;
  const shape = shapeOf(subject);
  if (shape === undefined) return true;
  const opposite = byDefault === 'added' ? 'removed' : 'added';
  const others = await tx
    .select({ shape: streamSubjects.shape })
    .from(streamSubjects)
    .where(
      and(
        eq(streamSubjects.streamId, id),
        eq(streamSubjects.listed, opposite),
        or(lt(streamSubjects.shape, shape), gt(streamSubjects.shape, shape)),
      ),
    )
    .limit(1);
  return others.length === 0;
}

async function forget(tx: Statements, id: StreamId, key: string): Promise<number> {
  const { rowCount } = await tx
    .delete(streamSubjects)
    .where(and(eq(streamSubjects.streamId, id), eq(streamSubjects.subjectKey, key)));
  return rowCount ?? 0;
}

async function remember(
  tx: Statements,
  stream: StreamRow,
  call: { readonly key: string; readonly entry: StreamSubject; readonly version: number; readonly by: By },
): Promise<number> {
  const { key, entry, version, by } = call;
  const said = {
    listed: entry.listed,
    verified: entry.verified,
    changedAtMs: by.atMs,
    changedVersion: version,
  };
  const [row] = await tx
    .insert(streamSubjects)
    .values({
      ...said,
      streamId: stream.id,
      subjectKey: key,
      subject: entry.subject,
      shape: shapeOf(entry.subject) ?? null,
    })
    .onConflictDoUpdate({ target: [streamSubjects.streamId, streamSubjects.subjectKey], set: said })
    .returning({ isNew: sql<boolean>`xmax = 0` });
  const grown = row?.isNew === true ? 1 : 0;
  if (stream.subjects + grown <= subjectsPerStreamMax) return grown;
  throw new Problem(
    'too-many-subjects',
    `The stream lists ${stream.subjects} subjects, and no more may be.`,
    {
      hint: 'Take some back, or spread them over several streams.',
      extra: { limit: subjectsPerStreamMax },
    },
  );
}

const keyOf = (subject: JsonObject): string =>
  createHash('sha256').update(canonicalJson(subject)).digest('base64url');

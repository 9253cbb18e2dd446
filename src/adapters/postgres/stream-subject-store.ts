import { createHash } from 'node:crypto';
import { and, eq, gt, lt, or, sql } from 'drizzle-orm';
import { canonicalJson } from '../../core/canonical-json.ts';
import { Problem } from '../../core/problem.ts';
import type { StreamSubject } from '../../core/stream.ts';
import { shapeOf } from '../../core/subject-matching.ts';
import type { JsonObject, Millis, StreamId } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import {
  subjectBytesPerStreamMax,
  subjectShapesPerStreamMax,
  subjectsPerStreamMax,
} from '../../transmitter/limits.ts';
import type { By, StreamSubjectStore } from '../../transmitter/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { streams, streamSubjects } from './schema-transmitter.ts';
import { auditOf, countChange, forgottenKeptVersions, type StreamRow } from './stream-rows.ts';
import { lockStream } from './stream-store.ts';

type SubjectRow = typeof streamSubjects.$inferSelect;

/** Rows of forgotten subjects that one call drops: more than it leaves behind. */
const droppedPerCallMax = 100;

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
  const text = canonicalJson(entry.subject);
  const key = createHash('sha256').update(text).digest('base64url');
  const detail = { subject_key: key, verified: entry.verified };
  await insertAudit(tx, [auditOf(id, by, { action: `stream.subject-${entry.listed}`, detail })]);
  const isCounted = await isListed(tx, id, key);
  const listed = (await saysNothing(tx, stream, entry)) ? 'forgotten' : entry.listed;
  if (listed === 'forgotten' && !isCounted) return false;
  const grown = (listed === 'forgotten' ? 0 : 1) - (isCounted ? 1 : 0);
  const subjects = stream.subjects + grown;
  const subjectBytes = Math.max(0, stream.subjectBytes + grown * Buffer.byteLength(text));
  if (grown > 0) {
    refuseTooMany(stream, { subjects, subjectBytes });
    await refuseAnotherShape(tx, id, entry.subject);
  }
  const version = await countChange(tx);
  await write(tx, { streamId: id, subjectKey: key, ...entry, listed }, { version, atMs: by.atMs });
  if (listed === 'forgotten') await dropForgotten(tx, id, version);
  await tx
    .update(streams)
    .set({ subjects, subjectBytes, subjectsVersion: version })
    .where(eq(streams.id, id));
  return true;
}

async function isListed(tx: Statements, id: StreamId, key: string): Promise<boolean> {
  const [row] = await tx
    .select({ listed: streamSubjects.listed })
    .from(streamSubjects)
    .where(and(eq(streamSubjects.streamId, id), eq(streamSubjects.subjectKey, key)));
  return row !== undefined && row.listed !== 'forgotten';
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

async function write(
  tx: Statements,
  row: Pick<SubjectRow, 'streamId' | 'subjectKey' | 'subject' | 'listed' | 'verified'>,
  { version, atMs }: { readonly version: number; readonly atMs: Millis },
): Promise<void> {
  const { listed, verified } = row;
  const said = { listed, verified, changedAtMs: atMs, changedVersion: version };
  await tx
    .insert(streamSubjects)
    .values({ ...row, ...said, shape: shapeOf(row.subject) ?? null })
    .onConflictDoUpdate({ target: [streamSubjects.streamId, streamSubjects.subjectKey], set: said });
}

/** Of the stream, those that no node will ask for any more. */
async function dropForgotten(tx: Statements, id: StreamId, version: number): Promise<void> {
  await tx.execute(sql`
    DELETE FROM hub.stream_subjects WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM hub.stream_subjects
       WHERE stream_id = ${id} AND listed = 'forgotten' AND changed_version <= ${version - forgottenKeptVersions}
       ORDER BY changed_version LIMIT ${droppedPerCallMax}))`);
}

function refuseTooMany(
  stream: StreamRow,
  { subjects, subjectBytes }: Pick<StreamRow, 'subjects' | 'subjectBytes'>,
): void {
  const isTooMany = subjects > subjectsPerStreamMax;
  if (!isTooMany && subjectBytes <= subjectBytesPerStreamMax) return;
  throw new Problem(
    'too-many-subjects',
    isTooMany
      ? `The stream lists ${stream.subjects} subjects, and no more may be.`
      : `The stream lists ${stream.subjectBytes} bytes of subjects; ${subjectBytesPerStreamMax} may be.`,
    {
      hint: 'Take some back, or spread them over several streams.',
      extra: isTooMany ? { limit: subjectsPerStreamMax } : { limit_bytes: subjectBytesPerStreamMax },
    },
  );
}

/** What is listed is not counted: the index is asked once for each shape that there is. */
async function refuseAnotherShape(tx: Statements, id: StreamId, subject: JsonObject): Promise<void> {
  const shape = shapeOf(subject);
  if (shape === undefined) return;
  const { rows } = await tx.execute<{ shape: string }>(sql`
    WITH RECURSIVE found (listed, shape, nth) AS (
      SELECT l.listed, (SELECT min(s.shape) FROM hub.stream_subjects s
                         WHERE s.stream_id = ${id} AND s.listed = l.listed AND s.shape IS NOT NULL), 1
        FROM (VALUES ('added'), ('removed')) AS l (listed)
      UNION ALL
      SELECT f.listed, (SELECT min(s.shape) FROM hub.stream_subjects s
                         WHERE s.stream_id = ${id} AND s.listed = f.listed AND s.shape > f.shape), f.nth + 1
        FROM found f WHERE f.shape IS NOT NULL AND f.nth < ${subjectShapesPerStreamMax})
    SELECT DISTINCT shape FROM found WHERE shape IS NOT NULL`);
  if (rows.length < subjectShapesPerStreamMax || rows.some((row) => row.shape === shape)) return;
  const message = `has other members than the others, which combine theirs in ${rows.length} ways`;
  throw new Problem('too-many-subject-shapes', `The subject ${message}; no more may be.`, {
    hint: 'Name complex subjects by the same members, such as all by user and tenant, or spread them over several streams.',
    errors: [{ path: '/subject', message }],
    extra: { limit: subjectShapesPerStreamMax },
  });
}

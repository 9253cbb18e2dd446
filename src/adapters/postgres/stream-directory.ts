import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { StreamSubject } from '../../core/stream.ts';
import { type StreamId, streamId } from '../../core/vocabulary.ts';
import type { ListedStream, StreamDirectory } from '../../transmitter/ports.ts';
import type { Statements } from './database.ts';
import { streamChanges, streams, streamSubjects } from './schema-transmitter.ts';

/** Rows of one statement. */
const ROWS_MAX = 1_000;
/** So often it is read without holding anybody up; then changes wait until it is through. */
const freeAttempts = 2;

/**
 * Everything that decides what goes where, as of one version, however many statements it takes. Of what is `known` that is
 * used again which has not changed; where nothing has, it is one statement.
 */
export async function readStreamDirectory(tx: Statements, known?: StreamDirectory): Promise<StreamDirectory> {
  for (let attempt = 1; ; attempt += 1) {
    const holds = attempt > freeAttempts;
    const version = await readVersion(tx, holds);
    if (known?.version === version) return known;
    const listed = await readStreams(tx, known);
    if (holds || (await readVersion(tx, false)) === version) return { version, streams: listed };
  }
}

async function readVersion(tx: Statements, holds: boolean): Promise<number> {
  const query = tx.select({ version: streamChanges.version }).from(streamChanges);
  const [row] = await (holds ? query.for('share') : query);
  if (row === undefined) throw new Error('hub.stream_changes has no row');
  return row.version;
}

async function readStreams(tx: Statements, known: StreamDirectory | undefined): Promise<ListedStream[]> {
  const before = new Map(known?.streams.map((stream) => [stream.id, stream]));
  const listed: ListedStream[] = [];
  for (let after = '', rows = ROWS_MAX; rows === ROWS_MAX; ) {
    const page = await tx
      .select()
      .from(streams)
      .where(gt(streams.id, after))
      .orderBy(asc(streams.id))
      .limit(ROWS_MAX);
    for (const row of page) {
      const id = streamId(row.id);
      const same = before.get(id);
      listed.push({
        id,
        aud: row.aud,
        eventsDelivered: row.eventsDelivered,
        status: row.status,
        defaultSubjects: row.defaultSubjects,
        algorithm: row.algorithm,
        method: row.method,
        subjectsVersion: row.subjectsVersion,
        subjects:
          same?.subjectsVersion === row.subjectsVersion
            ? same.subjects
            : await readSubjects(tx, id, row.subjects),
      });
    }
    after = page.at(-1)?.id ?? '';
    rows = page.length;
  }
  return listed;
}

async function readSubjects(tx: Statements, id: StreamId, count: number): Promise<readonly StreamSubject[]> {
  const found: (StreamSubject & { readonly version: number })[] = [];
  for (let after = '', rows = count === 0 ? 0 : ROWS_MAX; rows === ROWS_MAX; ) {
    const page = await tx
      .select()
      .from(streamSubjects)
      .where(and(eq(streamSubjects.streamId, id), gt(streamSubjects.subjectKey, sql`${after}`)))
      .orderBy(asc(streamSubjects.subjectKey))
      .limit(ROWS_MAX);
    for (const { subject, listed, verified, changedVersion } of page) {
      found.push({ subject, listed, verified, version: changedVersion });
    }
    after = page.at(-1)?.subjectKey ?? '';
    rows = page.length;
  }
  return found
    .sort((one, other) => one.version - other.version)
    .map(({ subject, listed, verified }) => ({ subject, listed, verified }));
}

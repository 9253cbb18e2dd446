import { and, asc, eq, gt } from 'drizzle-orm';
import { createSubjectList } from '../../core/subject-matching.ts';
import { streamId } from '../../core/vocabulary.ts';
import type { FollowedSubjects, StreamDirectory } from '../../transmitter/ports.ts';
import type { Statements } from './database.ts';
import { streamChanges, streams, streamSubjects } from './schema-transmitter.ts';
import { forgottenKeptVersions, type StreamRow } from './stream-rows.ts';

/** Rows of one statement. */
const ROWS_MAX = 1_000;

/**
 * Everything that decides what goes where: all that was committed up to `version`, and perhaps some of what came later. Of
 * what is `known` the lists of subjects are brought up to date by what has changed; where nothing has, it is one statement.
 *
 * Versions are given in the order of commits, and each change moves its row behind all that are there: what a node has not
 * read yet is always behind what it has.
 */
export async function readStreamDirectory(tx: Statements, known?: StreamDirectory): Promise<StreamDirectory> {
  for (let before = known; ; before = undefined) {
    const version = await readVersion(tx);
    if (before?.version === version) return before;
    const lists = new Map(before?.streams.map(({ id, subjects }) => [id, subjects]));
    const reads: Read[] = [];
    for (const row of await readStreams(tx)) {
      reads.push(await readChanges(tx, row, { known: lists.get(streamId(row.id)), version }));
    }
    const latest = await readVersion(tx);
    // Else rows of forgotten subjects may have gone before they were read.
    if (reads.every(({ after }) => latest - after <= forgottenKeptVersions)) {
      return { version, streams: reads.map((read) => applied(read, version)) };
    }
  }
}

const changeColumns = {
  subject: streamSubjects.subject,
  listed: streamSubjects.listed,
  changedVersion: streamSubjects.changedVersion,
};
type Change = Pick<typeof streamSubjects.$inferSelect, keyof typeof changeColumns>;

/** What was listed since `after`, in order. */
type Read = {
  readonly row: StreamRow;
  readonly subjects: FollowedSubjects;
  readonly after: number;
  readonly changes: readonly Change[];
};

async function readVersion(tx: Statements): Promise<number> {
  const [row] = await tx.select({ version: streamChanges.version }).from(streamChanges);
  if (row === undefined) throw new Error('hub.stream_changes has no row');
  return row.version;
}

async function readStreams(tx: Statements): Promise<readonly StreamRow[]> {
  const found: StreamRow[] = [];
  for (let after = '', rows = ROWS_MAX; rows === ROWS_MAX; ) {
    const page = await tx
      .select()
      .from(streams)
      .where(gt(streams.id, after))
      .orderBy(asc(streams.id))
      .limit(ROWS_MAX);
    found.push(...page);
    after = page.at(-1)?.id ?? '';
    rows = page.length;
  }
  return found;
}

async function readChanges(
  tx: Statements,
  row: StreamRow,
  { known, version }: { readonly known: FollowedSubjects | undefined; readonly version: number },
): Promise<Read> {
  const subjects = known ?? { list: createSubjectList(), version: 0 };
  // A whole list has nothing that could be forgotten before it was begun.
  const after = known?.version ?? version;
  if (row.subjectsVersion <= subjects.version) return { row, subjects, after: version, changes: [] };
  const changes: Change[] = [];
  for (let from = subjects.version, rows = ROWS_MAX; rows === ROWS_MAX; ) {
    const page = await tx
      .select(changeColumns)
      .from(streamSubjects)
      .where(and(eq(streamSubjects.streamId, row.id), gt(streamSubjects.changedVersion, from)))
      .orderBy(asc(streamSubjects.changedVersion))
      .limit(ROWS_MAX);
    changes.push(...page);
    from = page.at(-1)?.changedVersion ?? from;
    rows = page.length;
  }
  return { row, subjects, after, changes };
}

/** All at once, and what another read applied meanwhile is passed over: several transactions share a list. */
function applied({ row, subjects, changes }: Read, version: number): StreamDirectory['streams'][number] {
  for (const { subject, listed, changedVersion } of changes) {
    if (changedVersion <= subjects.version) continue;
    subjects.list.put(subject, listed);
    subjects.version = changedVersion;
  }
  subjects.version = Math.max(subjects.version, version);
  const { receiver, aud, eventsDelivered, status, defaultSubjects, algorithm, method } = row;
  const settings = { receiver, aud, eventsDelivered, status, defaultSubjects, algorithm, method };
  return {
    id: streamId(row.id),
    ...settings,
    ...(row.profile === null ? {} : { profile: row.profile }),
    subjects,
  };
}

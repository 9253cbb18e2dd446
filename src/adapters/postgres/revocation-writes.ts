import { sql } from 'drizzle-orm';
import type { Position } from '../../core/feed.ts';
import type { Revocation } from '../../core/revocation.ts';
import { revocationId, type Millis, type RevocationId, type StandingKillId } from '../../core/vocabulary.ts';
import type { FoldedEntry } from '../../pipeline/merge-entries.ts';
import { chunksOf } from './chunks.ts';
import type { Statements } from './database.ts';
import { placeOf, rowsPerStatementMax, type FeedPlace } from './feed-append.ts';
import { revocationJson, revocationOf, revocationRow, type RevocationRow } from './revocation-rows.ts';

/** A live entry and where it stands. */
export type StandingEntry = { readonly entry: Revocation; readonly place: FeedPlace };

/** Live entries that the folded ones merge with, by `mergesBy`. Read under `lockFeed`: nobody else changes them. */
export async function readMergeable(
  tx: Statements,
  folded: readonly FoldedEntry[],
): Promise<ReadonlyMap<string, StandingEntry>> {
  const standing = new Map<string, StandingEntry>();
  const merging = folded.filter(({ mergesBy }) => mergesBy !== undefined);
  for (const chunk of chunksOf(merging, rowsPerStatementMax)) {
    const { rows } = await tx.execute<MergeableRow>(sql`
      SELECT encode(r.merge_key, 'hex') AS key, r.epoch, r.seq::float8 AS seq, r.committed_at_ms::float8 AS at_ms,
             ${revocationJson} AS row
        FROM unnest(${sql.param(chunk.map(({ entry }) => entry.sourceId))}::text[],
                    ${sql.param(chunk.map(({ key }) => key))}::text[]) AS asked (source_id, key)
       CROSS JOIN LATERAL (
         SELECT * FROM hub.revocations r WHERE r.source_id = asked.source_id AND r.merge_key = decode(asked.key, 'hex')
            AND r.state = 'live' AND r.cut_off IS NOT NULL LIMIT 1) r`);
    for (const { key, row, ...place } of rows) {
      standing.set(`${row.source_id} ${key}`, { entry: revocationOf(row), place: placeOf(place) });
    }
  }
  return standing;
}

type MergeableRow = {
  readonly key: string;
  readonly epoch: string;
  readonly seq: number;
  readonly at_ms: Millis;
  readonly row: RevocationRow;
};

/** An entry, the key by which it merges, and its place in the feed. */
export type PlacedEntry = StandingEntry & { readonly key: string };

const columns = sql`id text, epoch text, seq bigint, committed_at_ms bigint, match jsonb, reach text, effect text,
  cut_off bigint, cut_off_basis text, lapses_at bigint, step_up jsonb, restrict jsonb, reason text, merge_key text,
  signal_id text, source_id text, standing_id text, cause text, family text, subject_key text, agent text, lift_at_ms bigint,
  shares jsonb`;

const placedRow = ({ entry, key, place }: PlacedEntry) => ({
  ...revocationRow(entry),
  merge_key: key,
  epoch: place.epoch,
  seq: place.seq,
  committed_at_ms: place.committedAtMs,
});

export async function insertRevocations(
  tx: Statements,
  entries: readonly PlacedEntry[],
  nowMs: Millis,
): Promise<void> {
  for (const chunk of chunksOf(entries, rowsPerStatementMax)) {
    await tx.execute(sql`
      INSERT INTO hub.revocations (id, epoch, seq, committed_at_ms, match, reach, effect, cut_off, cut_off_basis, lapses_at,
          step_up, restrict, reason, merge_key, signal_id, source_id, standing_id, cause, family, subject_key, agent,
          lift_at_ms, shares, put_at_ms)
      SELECT id, epoch, seq, committed_at_ms, match, reach, effect, cut_off, cut_off_basis, lapses_at, step_up, restrict,
          reason, decode(merge_key, 'hex'), signal_id, source_id, standing_id, cause, family, subject_key, agent,
          lift_at_ms, shares, ${nowMs}
        FROM json_to_recordset(${JSON.stringify(chunk.map(placedRow))}::json) AS x (${columns})`);
  }
}

/** Writes what a merge changes of entries that stand. */
export async function moveRevocations(tx: Statements, entries: readonly PlacedEntry[]): Promise<void> {
  for (const chunk of chunksOf(entries, rowsPerStatementMax)) {
    await tx.execute(sql`
      UPDATE hub.revocations r SET epoch = x.epoch, seq = x.seq, committed_at_ms = x.committed_at_ms, cut_off = x.cut_off,
             lapses_at = x.lapses_at, shares = x.shares, reason = x.reason, cause = x.cause, signal_id = x.signal_id,
             standing_id = x.standing_id, agent = x.agent
        FROM json_to_recordset(${JSON.stringify(chunk.map(placedRow))}::json) AS x (${columns}) WHERE r.id = x.id`);
  }
}

export type Ending = { readonly id: RevocationId; readonly by: string };
export type EndedRevocation = {
  readonly id: RevocationId;
  readonly stoodAt: Position;
  readonly standingId?: StandingKillId;
};

/**
 * Ends live entries, under `lockFeed`. Those that are live no more stay as they are, so that each ends once. Does not
 * append to the feed.
 *
 * @returns those that ended now, ordered by id.
 */
export async function endRevocations(
  tx: Statements,
  endings: readonly Ending[],
  to: { readonly state: 'lifted' | 'dropped'; readonly atMs: Millis },
): Promise<readonly EndedRevocation[]> {
  const ended: EndedRevocation[] = [];
  for (const chunk of chunksOf(endings, rowsPerStatementMax)) {
    const { rows } = await tx.execute<EndedRow>(sql`
      UPDATE hub.revocations r SET state = ${to.state}, ended_at_ms = ${to.atMs}, ended_by = x.ended_by
        FROM unnest(${sql.param(chunk.map(({ id }) => id))}::text[],
                    ${sql.param(chunk.map(({ by }) => by))}::text[]) AS x (id, ended_by)
       WHERE r.id = x.id AND r.state = 'live'
      RETURNING r.id, r.standing_id, r.epoch, r.seq::float8 AS seq`);
    for (const { id, standing_id: standingId, epoch, seq } of rows) {
      ended.push({
        id: revocationId(id),
        stoodAt: { epoch, seq },
        ...(standingId === null ? {} : { standingId }),
      });
    }
  }
  return ended.sort((a, b) => (a.id < b.id ? -1 : 1));
}

type EndedRow = {
  readonly id: string;
  readonly standing_id: StandingKillId | null;
  readonly epoch: string;
  readonly seq: number;
};

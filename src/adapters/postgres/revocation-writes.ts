import { sql, type SQL } from 'drizzle-orm';
import type { Revocation, Share } from '../../core/revocation.ts';
import { revocationId, type Millis, type RevocationId, type StandingKillId } from '../../core/vocabulary.ts';
import { mergeKey } from '../../pipeline/merge-key.ts';
import type { Statements } from './database.ts';
import { placeOf, type FeedPlace } from './feed-append.ts';
import {
  revocationJson,
  revocationOf,
  revocationRow,
  shareJson,
  type RevocationRow,
} from './revocation-rows.ts';

/** No statement writes more rows, so that none holds its locks for long. */
export const rowsPerStatementMax = 1_000;

/** An entry as it stands after a put. */
export type PutRevocation = {
  readonly entry: Revocation;
  /** An earlier entry was moved forward: `entry.id` is its id. */
  readonly merged: boolean;
  /** Where the earlier entry stands that reached further already: it did not move. */
  readonly coveredAt?: FeedPlace;
};

/** Entries of which no two merge with each other. @see foldMerging */
export type FoldedEntry = { readonly entry: Revocation; readonly key: string };

/**
 * Puts entries, or moves those forward that they merge with (DESIGN §5). Does not append to the feed.
 *
 * @returns in the order given.
 */
export async function putRevocations(
  tx: Statements,
  entries: readonly FoldedEntry[],
  nowMs: Millis,
): Promise<readonly PutRevocation[]> {
  const puts: PutRevocation[] = [];
  for (let start = 0; start < entries.length; start += rowsPerStatementMax) {
    puts.push(...(await putChunk(tx, entries.slice(start, start + rowsPerStatementMax), nowMs)));
  }
  return puts;
}

async function putChunk(
  tx: Statements,
  entries: readonly FoldedEntry[],
  nowMs: Millis,
): Promise<PutRevocation[]> {
  const input = entries.map(({ entry, key }) => ({ ...revocationRow(entry), merge_key: key }));
  const { rows } = await tx.execute<PutRow>(sql`
    INSERT INTO hub.revocations AS r (id, match, reach, effect, cut_off, cut_off_basis, lapses_at, step_up, restrict,
        reason, merge_key, signal_id, source_id, standing_id, cause, family, subject_key, agent, lift_at_ms, shares, put_at_ms)
    SELECT id, match, reach, effect, cut_off, cut_off_basis, lapses_at, step_up, restrict, reason,
        decode(merge_key, 'hex'), signal_id, source_id, standing_id, cause, family, subject_key, agent, lift_at_ms, shares, ${nowMs}
      FROM json_to_recordset(${JSON.stringify(input)}::json) AS x (id text, match jsonb, reach text, effect text,
        cut_off bigint, cut_off_basis text, lapses_at bigint, step_up jsonb, restrict jsonb, reason text, merge_key text,
        signal_id text, source_id text, standing_id text, cause text, family text, subject_key text, agent text, lift_at_ms bigint,
        shares jsonb)
     ORDER BY merge_key
    ON CONFLICT (source_id, merge_key) WHERE state = 'live' AND cut_off IS NOT NULL DO UPDATE SET
      cut_off = greatest(r.cut_off, excluded.cut_off),
      lapses_at = ${later(sql`lapses_at`)},
      shares = hub.settle_shares(r.shares || excluded.shares || CASE WHEN excluded.cut_off >= r.cut_off
        THEN ${shareJson(sql`r`)} ELSE ${shareJson(sql`excluded`)} END),
      reason = ${newest(sql`reason`)}, cause = ${newest(sql`cause`)}, signal_id = ${newest(sql`signal_id`)},
      standing_id = coalesce(${newest(sql`standing_id`)}, r.standing_id), agent = coalesce(${newest(sql`agent`)}, r.agent)
    RETURNING encode(r.merge_key, 'hex') AS merge_key, r.epoch, r.seq::float8 AS seq, r.committed_at_ms::float8 AS at_ms,
              ${revocationJson} AS row`);
  const byId = new Map(rows.map((row) => [row.row.id, row]));
  const merging = rows.filter(({ row }) => row.cut_off !== undefined);
  const byKey = new Map(merging.map((row) => [`${row.row.source_id} ${row.merge_key}`, row]));
  return entries.map(({ entry: asked, key }) => {
    const put = byId.get(asked.id) ?? byKey.get(`${asked.sourceId} ${key}`);
    if (put === undefined) throw new Error(`revocation ${asked.id} was not put`);
    const entry = revocationOf(put.row);
    const merged = entry.id !== asked.id;
    return { entry, merged, ...(merged && reachesFurther(entry, asked) ? { coveredAt: placeOf(put) } : {}) };
  });
}

type PutRow = { merge_key: string; epoch: string; seq: number; at_ms: number; row: RevocationRow };

/** The later of two, where nothing means never. */
const later = (column: SQL): SQL =>
  sql`CASE WHEN r.${column} IS NULL OR excluded.${column} IS NULL THEN NULL ELSE greatest(r.${column}, excluded.${column}) END`;

/** Of what was asked for, unless it cuts off earlier than what stands. */
const newest = (column: SQL): SQL =>
  sql`CASE WHEN excluded.cut_off >= r.cut_off THEN excluded.${column} ELSE r.${column} END`;

/** What stands is later in both than what was asked for: so it was before. */
function reachesFurther(now: Revocation, asked: Revocation): boolean {
  const lapsesLater =
    now.lapsesAt === undefined || (asked.lapsesAt !== undefined && now.lapsesAt > asked.lapsesAt);
  return lapsesLater && asked.lapsesAt !== undefined && (now.cutOff ?? 0) > (asked.cutOff ?? 0);
}

/**
 * Entries that would merge with each other become one, the later cut-off and lapse of them; the others stay as they
 * are. A group of signals is one moment: what two of them put alike needs one entry.
 *
 * @returns which of the folded entries stands for each one given.
 */
export function foldMerging(entries: readonly Revocation[]): {
  readonly folded: readonly FoldedEntry[];
  readonly standsFor: readonly number[];
} {
  const folded: FoldedEntry[] = [];
  const bySourceAndKey = new Map<string, number>();
  const standsFor = entries.map((entry) => {
    const key = Buffer.from(mergeKey(entry)).toString('hex');
    const index = bySourceAndKey.get(`${entry.sourceId} ${key}`);
    const first = index === undefined ? undefined : folded[index];
    if (entry.cutOff === undefined || index === undefined || first === undefined) {
      const last = folded.push({ entry, key }) - 1;
      if (entry.cutOff !== undefined) bySourceAndKey.set(`${entry.sourceId} ${key}`, last);
      return last;
    }
    folded[index] = { entry: moveForward(first.entry, entry), key };
    return index;
  });
  return { folded, standsFor };
}

function moveForward(first: Revocation, next: Revocation): Revocation {
  const [reaching, other] = (next.cutOff ?? 0) >= (first.cutOff ?? 0) ? [next, first] : [first, next];
  const { lapsesAt: _, ...rest } = { ...other, ...reaching };
  const lapsesAt = latest(first.lapsesAt, next.lapsesAt);
  return {
    ...rest,
    id: first.id,
    shares: [...(first.shares ?? []), ...(next.shares ?? []), shareOf(other)],
    ...(lapsesAt === undefined ? {} : { lapsesAt }),
  };
}

const shareOf = ({
  signalId,
  reason,
  cause,
  agent,
  standingId,
  lapsesAt,
  cutOff = 0,
}: Revocation): Share => ({
  signalId,
  reason,
  cause,
  cutOff,
  settled: false,
  ...(agent === undefined ? {} : { agent }),
  ...(standingId === undefined ? {} : { standingId }),
  ...(lapsesAt === undefined ? {} : { lapsesAt }),
});

const latest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : Math.max(one, other);

export type Ending = { readonly id: RevocationId; readonly by: string };
export type EndedRevocation = { readonly id: RevocationId; readonly standingId?: StandingKillId };

/**
 * Ends live entries. Those that are live no more stay as they are, so that each ends once. Does not append to the feed.
 *
 * @returns those that ended now, ordered by id.
 */
export async function endRevocations(
  tx: Statements,
  endings: readonly Ending[],
  to: { readonly state: 'lifted' | 'dropped'; readonly atMs: Millis },
): Promise<readonly EndedRevocation[]> {
  const ended: EndedRevocation[] = [];
  for (let start = 0; start < endings.length; start += rowsPerStatementMax) {
    const chunk = endings.slice(start, start + rowsPerStatementMax);
    const { rows } = await tx.execute<{ id: string; standing_id: StandingKillId | null }>(sql`
      WITH locked AS (
        SELECT r.id, x.ended_by FROM hub.revocations r
          JOIN unnest(${sql.param(chunk.map(({ id }) => id))}::text[],
                      ${sql.param(chunk.map(({ by }) => by))}::text[]) AS x (id, ended_by) USING (id)
         WHERE r.state = 'live' ORDER BY r.id FOR UPDATE OF r)
      UPDATE hub.revocations r SET state = ${to.state}, ended_at_ms = ${to.atMs}, ended_by = locked.ended_by
        FROM locked WHERE r.id = locked.id
      RETURNING r.id, r.standing_id`);
    for (const { id, standing_id: standingId } of rows) {
      ended.push({ id: revocationId(id), ...(standingId === null ? {} : { standingId }) });
    }
  }
  return ended.sort((a, b) => (a.id < b.id ? -1 : 1));
}

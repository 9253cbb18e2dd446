import { sql } from 'drizzle-orm';
import type { PlannedStanding } from '../../core/decision.ts';
import type { SignalId, SourceId, StandingKillId } from '../../core/vocabulary.ts';
import { standingMergeKey } from '../../pipeline/merge-key.ts';
import { chunksOf } from './chunks.ts';
import type { Statements } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';

/** Signals that one standing kill tells apart. */
const signalsMax = 32;

export type NewStandingKill = {
  readonly id: StandingKillId;
  readonly signalId: SignalId;
  readonly sourceId: SourceId;
  readonly plan: PlannedStanding;
};

/**
 * Records kills that go on binding what becomes known later. Like entries, those of one source that are equal and cut
 * off are one that moves forward.
 *
 * @returns the id that stands for each one given.
 */
export async function putStandingKills(
  tx: Statements,
  kills: readonly NewStandingKill[],
): Promise<readonly StandingKillId[]> {
  const inputs = new Map<string, StandingRow>();
  const keys = kills.map((kill) => {
    const row = standingRow(kill);
    const key = row.cut_off === undefined ? row.id : `${row.source_id} ${row.merge_key}`;
    const before = inputs.get(key);
    inputs.set(key, before === undefined || (before.cut_off ?? 0) <= (row.cut_off ?? 0) ? row : before);
    return key;
  });
  const ids = new Map<string, StandingKillId>();
  for (const chunk of chunksOf([...inputs.values()], rowsPerStatementMax)) {
    for (const { id, key } of await putChunk(tx, chunk)) ids.set(key, id);
  }
  return keys.map((key) => {
    const id = ids.get(key);
    if (id === undefined) throw new Error('a standing kill was not put');
    return id;
  });
}

type StandingRow = ReturnType<typeof standingRow>;

async function putChunk(
  tx: Statements,
  chunk: readonly StandingRow[],
): Promise<readonly { readonly id: StandingKillId; readonly key: string }[]> {
  const { rows } = await tx.execute<{ id: StandingKillId; key: string }>(sql`
    INSERT INTO hub.standing_kills AS s (id, signal_id, signals, source_id, agent, identifier, subject_key, family, template,
        cut_off, lapses_at, lift_at_ms, merge_key)
    SELECT id, signal_id, ARRAY[signal_id], source_id, agent, identifier, subject_key, family, template, cut_off, lapses_at, lift_at_ms,
        decode(merge_key, 'hex')
      FROM json_to_recordset(${JSON.stringify(chunk)}::json) AS x (id text, signal_id text, source_id text,
        agent text, identifier text, subject_key text, family text, template jsonb, cut_off bigint, lapses_at bigint,
        lift_at_ms bigint, merge_key text)
     ORDER BY merge_key
    ON CONFLICT (source_id, merge_key) WHERE state = 'standing' AND cut_off IS NOT NULL DO UPDATE SET
      signal_id = CASE WHEN excluded.cut_off >= s.cut_off THEN excluded.signal_id ELSE s.signal_id END,
      signals = array_remove(CASE WHEN cardinality(s.signals) < ${signalsMax} THEN s.signals
                                  ELSE ARRAY[''] || s.signals[3:] END, excluded.signal_id) || excluded.signal_id,
      cut_off = greatest(s.cut_off, excluded.cut_off),
      lapses_at = CASE WHEN s.lapses_at IS NULL OR excluded.lapses_at IS NULL THEN NULL
                       ELSE greatest(s.lapses_at, excluded.lapses_at) END
    RETURNING s.id, CASE WHEN s.cut_off IS NULL THEN s.id ELSE s.source_id || ' ' || encode(s.merge_key, 'hex') END AS key`);
  return rows;
}

/** Ends standing kills. Takes nothing from the feed: what they put stays until it is lifted itself. */
export async function endStandingKills(
  tx: Statements,
  which: { readonly ids: readonly StandingKillId[]; readonly ofSignals: readonly SignalId[] },
): Promise<void> {
  for (const ids of chunksOf(which.ids, rowsPerStatementMax)) {
    await tx.execute(sql`
      UPDATE hub.standing_kills SET state = 'ended'
       WHERE state = 'standing' AND id = ANY (${sql.param(ids)}::text[])`);
  }
  if (which.ofSignals.length === 0) return;
  await tx.execute(sql`
    UPDATE hub.standing_kills SET state = 'ended'
     WHERE state = 'standing' AND signal_id = ANY (${sql.param(which.ofSignals)}::text[])`);
}

/** Takes the signals' shares: what others made stand, too, stands on, and as far as it reached. */
export async function withdrawFromStanding(tx: Statements, signals: readonly string[]): Promise<void> {
  for (const signal of signals) {
    await tx.execute(sql`
      UPDATE hub.standing_kills s SET signals = others.signals,
             signal_id = CASE WHEN s.signal_id <> ${signal} THEN s.signal_id
                              ELSE coalesce(nullif(others.signals[cardinality(others.signals)], ''), s.signal_id) END
        FROM (SELECT id, array_remove(signals, ${signal}::text) AS signals FROM hub.standing_kills
               WHERE state = 'standing' AND signals @> ARRAY[${signal}::text] AND cardinality(signals) > 1) AS others
       WHERE s.id = others.id`);
  }
}

/** Ends those of the named standing kills that have put entries of which none is live any more. */
export async function endStandingWithoutEntries(
  tx: Statements,
  ids: readonly StandingKillId[],
): Promise<void> {
  for (const chunk of chunksOf([...new Set(ids)], rowsPerStatementMax)) {
    await tx.execute(sql`
      UPDATE hub.standing_kills s SET state = 'ended'
       WHERE s.state = 'standing' AND s.id = ANY (${sql.param(chunk)}::text[])
         AND NOT EXISTS (SELECT FROM hub.revocations r WHERE r.standing_id = s.id AND r.state = 'live')`);
  }
}

function standingRow({ id, signalId, sourceId, plan }: NewStandingKill) {
  const { cutOff, lapsesAt, liftAtMs, ...template } = plan.template;
  return {
    id,
    signal_id: signalId,
    source_id: sourceId,
    ...('agent' in plan ? { agent: plan.agent } : { identifier: plan.identifier }),
    subject_key: template.subjectKey,
    family: template.family,
    template,
    cut_off: cutOff,
    lapses_at: lapsesAt,
    lift_at_ms: liftAtMs,
    merge_key: Buffer.from(standingMergeKey(plan)).toString('hex'),
  };
}

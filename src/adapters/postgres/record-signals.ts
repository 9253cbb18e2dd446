import { sql } from 'drizzle-orm';
import { needsPerson } from '../../core/decide-limits.ts';
import { countsAsKill, type Hold } from '../../core/decision.ts';
import type { Statement } from '../../core/signal.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { HandledSignal } from '../../core/handled-signal.ts';
import type { DecidedSignal } from '../../pipeline/store.ts';
import type { Statements } from './database.ts';
import { storedAnswer, storedStatement } from './signal-rows.ts';
import { together } from './together.ts';

export type AnsweredSignal = { readonly decided: DecidedSignal; readonly answer: HandledSignal };

/** Sent together, in this order: writes the rows of new signals, moves those of released ones on, and what their subjects' newest events are. */
export async function recordSignals(
  tx: Statements,
  group: readonly AnsweredSignal[],
  nowMs: Millis,
): Promise<void> {
  await together([
    insertSignals(
      tx,
      group.filter(({ decided }) => decided.released === undefined),
    ),
    ...group.flatMap(({ decided, answer }) =>
      decided.released === undefined ? [] : [moveReleasedOn(tx, decided, answer, decided.released.by, nowMs)],
    ),
    rememberNewest(tx, group),
    insertHeld(tx, group, nowMs),
    countKills(tx, group, nowMs),
  ]);
}

async function insertSignals(tx: Statements, group: readonly AnsweredSignal[]): Promise<void> {
  if (group.length === 0) return;
  const rows = group.map(({ decided: { signalId, statement, decision, principal }, answer }) => ({
    id: signalId,
    source_id: statement.source.id,
    external_id: statement.externalId,
    body: hexOf(statement.body),
    body_sha256: hexOf(statement.bodySha256),
    statement: storedStatement(statement),
    event_type: statement.eventType,
    subject_key: statement.query.key,
    principal,
    event_time: statement.eventTime,
    received_at_ms: statement.receivedAtMs,
    actor: statement.actor,
    txn: statement.txn,
    outcome: decision.outcome,
    answer: storedAnswer(answer),
    agents: decision.agents,
    kills: decision.kills,
    last_seq: answer.lastSeq,
  }));
  await tx.execute(sql`
    INSERT INTO hub.signals (id, source_id, external_id, body, body_sha256, statement, event_type, subject_key, principal,
        event_time, received_at_ms, actor, txn, outcome, answer, agents, kills, last_seq)
    SELECT id, source_id, external_id, decode(body, 'hex'), decode(body_sha256, 'hex'), statement, event_type, subject_key,
        principal, event_time, received_at_ms, actor, txn, outcome, answer, ARRAY(SELECT json_array_elements_text(agents)),
        kills, last_seq
      FROM json_to_recordset(${JSON.stringify(rows)}::json) AS x (id text, source_id text, external_id text, body text,
        body_sha256 text, statement jsonb, event_type text, subject_key text, principal text, event_time double precision,
        received_at_ms bigint, actor text, txn text, outcome text, answer jsonb, agents json, kills boolean, last_seq bigint)`);
}

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

async function moveReleasedOn(
  tx: Statements,
  { signalId, statement, decision, principal }: DecidedSignal,
  answer: HandledSignal,
  by: string,
  nowMs: Millis,
): Promise<void> {
  await tx.execute(sql`
    UPDATE hub.signals SET outcome = ${decision.outcome}, answer = ${JSON.stringify(storedAnswer(answer))}::jsonb,
           agents = ${sql.param(decision.agents)}::text[], kills = ${decision.kills}, principal = ${principal},
           last_seq = ${answer.lastSeq ?? null}
     WHERE id = ${signalId}`);
  const { hold } = decision;
  if (hold === undefined) {
    await tx.execute(sql`
      UPDATE hub.held SET state = 'released', decided_by = ${by}, decided_at_ms = ${nowMs} WHERE signal_id = ${signalId}`);
  } else {
    const { code, text, approvals_required, deadline_ms, at_deadline } = heldRow(statement, hold, nowMs);
    await tx.execute(sql`
      UPDATE hub.held SET code = ${code}, text = ${text}, approvals_required = ${approvals_required},
             deadline_ms = ${deadline_ms}, at_deadline = ${at_deadline}
       WHERE signal_id = ${signalId}`);
  }
}

/** The newest event of each family stays the newest: an older one, told later, does not replace it. */
async function rememberNewest(tx: Statements, group: readonly AnsweredSignal[]): Promise<void> {
  const newest = new Map<string, object>();
  for (const { decided } of group) {
    const { statement, decision } = decided;
    if (decision.remember === undefined) continue;
    const { family, eventTime } = decision.remember;
    newest.set(JSON.stringify([statement.source.id, statement.query.key, family]), {
      source_id: statement.source.id,
      subject_key: statement.query.key,
      family,
      event_type: statement.eventType,
      event_time: eventTime,
    });
  }
  if (newest.size === 0) return;
  await tx.execute(sql`
    INSERT INTO hub.subject_states AS s (source_id, subject_key, family, event_type, event_time)
    SELECT * FROM json_to_recordset(${JSON.stringify([...newest.values()])}::json)
      AS x (source_id text, subject_key text, family text, event_type text, event_time double precision)
     ORDER BY 1, 2, 3
    ON CONFLICT (source_id, subject_key, family) DO UPDATE
      SET event_type = excluded.event_type, event_time = excluded.event_time WHERE excluded.event_time >= s.event_time`);
}

/** Counts what each source has killed in this second. */
async function countKills(tx: Statements, group: readonly AnsweredSignal[], nowMs: Millis): Promise<void> {
  const kills = new Map<string, number>();
  for (const { decided } of group) {
    const { id, person } = decided.statement.source;
    if (!person && countsAsKill(decided.decision)) kills.set(id, (kills.get(id) ?? 0) + 1);
  }
  if (kills.size === 0) return;
  const bySource = [...kills].toSorted(([a], [b]) => (a < b ? -1 : 1));
  await tx.execute(sql`
    INSERT INTO hub.source_kills AS k (source_id, second, kills)
    SELECT source_id, ${Math.floor(nowMs / 1_000)}, kills
      FROM unnest(${sql.param(bySource.map(([id]) => id))}::text[],
                  ${sql.param(bySource.map(([, count]) => count))}::integer[]) AS x (source_id, kills)
    ON CONFLICT (source_id, second) DO UPDATE SET kills = k.kills + excluded.kills`);
}

const heldRow = ({ source }: Statement, hold: Hold, nowMs: Millis) => ({
  code: hold.code,
  text: hold.text,
  approvals_required: hold.approvalsRequired,
  deadline_ms: nowMs + source.heldSeconds * 1_000,
  at_deadline: needsPerson(hold) ? 'discard' : source.heldDefault,
});

async function insertHeld(tx: Statements, group: readonly AnsweredSignal[], nowMs: Millis): Promise<void> {
  const rows = group.flatMap(({ decided: { signalId, statement, decision, released } }) => {
    const { hold } = decision;
    if (hold === undefined || released !== undefined) return [];
    return [{ signal_id: signalId, source_id: statement.source.id, ...heldRow(statement, hold, nowMs) }];
  });
  if (rows.length === 0) return;
  await tx.execute(sql`
    INSERT INTO hub.held (signal_id, source_id, code, text, approvals_required, deadline_ms, at_deadline)
    SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::json) AS x (signal_id text, source_id text, code text, text text,
      approvals_required integer, deadline_ms bigint, at_deadline text)`);
}

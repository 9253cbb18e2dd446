import { sql } from 'drizzle-orm';
import { corroborationSeconds, type Memory, type NamedStanding } from '../../core/decision.ts';
import type { Revocation } from '../../core/revocation.ts';
import type { SourceId, StandingKillId } from '../../core/vocabulary.ts';
import type { MemoryQuestion } from '../../pipeline/store.ts';
import type { Statements } from './database.ts';
import { lockFeed } from './feed-append.ts';
import { revocationJson, revocationOf, type RevocationRow } from './revocation-rows.ts';
import { together } from './together.ts';

const brakeWindowSeconds = 60;

/** What happened before, in the order of the questions, in three reads at most, sent together. */
export async function recall(
  tx: Statements,
  questions: readonly MemoryQuestion[],
): Promise<readonly Memory[]> {
  const asked = entryQuestions(questions);
  // What may be lifted stays as it is read: nobody else moves or ends an entry now.
  if (asked !== undefined) await lockFeed(tx);
  const [past, entries, standing] = await together([
    readPast(tx, questions),
    readEntries(tx, asked),
    readStanding(tx, asked),
  ]);
  return questions.map(({ sourceId }, index) => {
    const newest = past.newest.get(index);
    return {
      ...(newest === undefined ? {} : { newest }),
      familyEntries: entries.get(`family ${index}`) ?? [],
      named: entries.get(`named ${index}`) ?? [],
      familyStanding: (standing.get(`family ${index}`) ?? []).map(({ id }) => id),
      namedStanding: standing.get(`named ${index}`) ?? [],
      killsInLastMinute: past.kills.get(sourceId) ?? 0,
      corroborated: past.corroborated.has(index),
      saidBefore: past.saidBefore.get(index) === true,
      heardBefore: past.saidBefore.get(index) === false,
    };
  });
}

type Past = {
  readonly newest: ReadonlyMap<number, NonNullable<Memory['newest']>>;
  readonly corroborated: ReadonlySet<number>;
  /** Whether it was said here first, and applied. */
  readonly saidBefore: ReadonlyMap<number, boolean>;
  readonly kills: ReadonlyMap<SourceId, number>;
};

async function readPast(tx: Statements, questions: readonly MemoryQuestion[]): Promise<Past> {
  const [first] = questions;
  if (first === undefined)
    return { newest: new Map(), corroborated: new Set(), saidBefore: new Map(), kills: new Map() };
  const counted = new Set(questions.flatMap((one) => (one.countsKills ? [one.sourceId] : [])));
  const { rows } = await tx.execute<{
    newest: readonly { q: number; event_type: string; event_time: number }[] | null;
    corroborated: readonly number[] | null;
    said_before: readonly { q: number; here: boolean }[] | null;
    kills: readonly { source_id: SourceId; count: number }[] | null;
  }>(sql`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(questions.map(askedRow))}::json)
        AS x (q integer, source_id text, actor text, subject_key text, principal text, family text, txn text, event_type text))
    SELECT (SELECT json_agg(json_build_object('q', a.q, 'event_type', s.event_type, 'event_time', s.event_time))
              FROM asked a CROSS JOIN LATERAL (
                SELECT s.event_type, s.event_time FROM hub.subject_states s
                 WHERE s.source_id = a.source_id AND s.subject_key = a.subject_key AND s.family = a.family LIMIT 1) s) AS newest,
           (SELECT json_agg(a.q) FROM asked a WHERE EXISTS (
              SELECT FROM hub.signals k WHERE k.principal = a.principal AND k.kills AND k.source_id <> a.source_id
                 AND k.actor <> a.actor AND k.outcome <> 'discarded' AND k.received_at_ms > ${first.nowMs - corroborationSeconds * 1_000})) AS corroborated,
           (SELECT json_agg(json_build_object('q', a.q, 'here', k.here)) FROM asked a CROSS JOIN LATERAL (
              SELECT bool_or(k.outcome = 'applied' AND k.actor NOT LIKE 'upstream:%') AS here FROM hub.signals k
               WHERE k.txn = a.txn AND k.event_type = a.event_type AND k.subject_key = a.subject_key
                 AND k.source_id <> a.source_id) k WHERE a.txn IS NOT NULL AND k.here IS NOT NULL) AS said_before,
           (SELECT json_agg(json_build_object('source_id', l.source_id, 'count', (
              SELECT coalesce(sum(k.kills), 0) FROM hub.source_kills k
               WHERE k.source_id = l.source_id AND k.second > ${Math.floor(first.nowMs / 1_000) - brakeWindowSeconds})))
              FROM unnest(${sql.param([...counted])}::text[]) AS l (source_id)) AS kills`);
  const [row] = rows;
  const newest = (row?.newest ?? []).map((state): [number, NonNullable<Memory['newest']>] => [
    state.q,
    { eventType: state.event_type, eventTime: state.event_time },
  ]);
  return {
    newest: new Map(newest),
    corroborated: new Set(row?.corroborated),
    saidBefore: new Map((row?.said_before ?? []).map(({ q, here }) => [q, here])),
    kills: new Map((row?.kills ?? []).map((count) => [count.source_id, count.count])),
  };
}

const askedRow = (
  { sourceId, actor, subjectKey, principal, family, relayed }: MemoryQuestion,
  index: number,
) => ({
  q: index,
  source_id: sourceId,
  actor,
  subject_key: subjectKey,
  principal,
  family,
  txn: relayed?.txn,
  event_type: relayed?.eventType,
});

/** Questions about entries: few signals have any. */
function entryQuestions(questions: readonly MemoryQuestion[]): string | undefined {
  const asked = questions.flatMap(({ sourceId, subjectKey, family, names }, q) => {
    const { revocationId, signalId } = names;
    if (family === undefined && revocationId === undefined && signalId === undefined) return [];
    return [
      {
        q,
        source_id: sourceId,
        subject_key: subjectKey,
        family,
        revocation_id: revocationId,
        signal_id: signalId,
      },
    ];
  });
  return asked.length === 0 ? undefined : JSON.stringify(asked);
}

const askedOf = (asked: string) => sql`json_to_recordset(${asked}::json)
  AS a (q integer, source_id text, subject_key text, family text, revocation_id text, signal_id text)`;

async function readEntries(
  tx: Statements,
  asked: string | undefined,
): Promise<ReadonlyMap<string, Revocation[]>> {
  if (asked === undefined) return new Map();
  const { rows } = await tx.execute<{ why: string; row: RevocationRow }>(sql`
    SELECT 'family ' || a.q AS why, ${revocationJson} AS row FROM ${askedOf(asked)} JOIN hub.revocations r
        ON r.state = 'live' AND r.source_id = a.source_id AND r.subject_key = a.subject_key AND r.family = a.family
    UNION ALL
    SELECT 'named ' || a.q, ${revocationJson} FROM ${askedOf(asked)} JOIN hub.revocations r
        ON r.state = 'live' AND r.id = a.revocation_id
    UNION ALL
    SELECT 'named ' || a.q, ${revocationJson} FROM ${askedOf(asked)} JOIN hub.revocations r
        ON r.state = 'live' AND r.signal_id = a.signal_id
    UNION ALL
    SELECT 'named ' || a.q, ${revocationJson} FROM ${askedOf(asked)} JOIN hub.revocations r
        ON r.state = 'live' AND r.shares <> '[]' AND r.signal_id <> a.signal_id
       AND r.shares @> jsonb_build_array(jsonb_build_object('signal_id', a.signal_id, 'settled', false))`);
  return grouped(rows.map(({ why, row }) => [why, revocationOf(row)]));
}

async function readStanding(
  tx: Statements,
  asked: string | undefined,
): Promise<ReadonlyMap<string, NamedStanding[]>> {
  if (asked === undefined) return new Map();
  const { rows } = await tx.execute<StandingRow>(sql`
    SELECT 'family ' || a.q AS why, s.id, s.issuers FROM ${askedOf(asked)} CROSS JOIN LATERAL (
      SELECT s.id, s.template -> 'issuers' AS issuers FROM hub.standing_kills s
       WHERE s.state = 'standing' AND s.source_id = a.source_id AND s.subject_key = a.subject_key AND s.family = a.family) s
    UNION ALL
    SELECT 'named ' || a.q, s.id, CASE WHEN n.match ? 'iss' THEN jsonb_build_array(n.match -> 'iss') END
      FROM ${askedOf(asked)} JOIN hub.revocations n ON n.id = a.revocation_id
        JOIN hub.standing_kills s ON s.state = 'standing' AND s.id = n.standing_id
     WHERE NOT EXISTS (SELECT FROM hub.revocations r WHERE r.standing_id = s.id AND r.state = 'live' AND r.id <> n.id)
    UNION ALL
    SELECT 'named ' || a.q, s.id, s.issuers FROM ${askedOf(asked)} CROSS JOIN LATERAL (
      SELECT s.id, s.template -> 'issuers' AS issuers FROM hub.standing_kills s
       WHERE s.state = 'standing' AND s.signal_id = a.signal_id AND s.signals = ARRAY[a.signal_id]
         AND NOT EXISTS (
           SELECT FROM hub.revocations r WHERE r.standing_id = s.id AND r.state = 'live' AND r.signal_id <> a.signal_id)) s`);
  return grouped(rows.map(({ why, id, issuers }) => [why, { id, ...(issuers && { issuers }) }]));
}

type StandingRow = {
  readonly why: string;
  readonly id: StandingKillId;
  readonly issuers: readonly string[] | null;
};

function grouped<Value>(pairs: readonly (readonly [string, Value])[]): Map<string, Value[]> {
  const groups = new Map<string, Value[]>();
  for (const [key, value] of pairs) groups.set(key, [...(groups.get(key) ?? []), value]);
  return groups;
}

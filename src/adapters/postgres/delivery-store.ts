import { sql } from 'drizzle-orm';
import { streamUpdatedEventType, type SetClaims } from '../../core/set-claims.ts';
import type { SigningAlgorithm } from '../../core/stream.ts';
import { setId, streamId, type Millis, type StreamId } from '../../core/vocabulary.ts';
import type {
  Claim,
  ClaimedPush,
  DeliveryStore,
  EndpointState,
  Settlement,
} from '../../transmitter/delivery-ports.ts';
import type { PushAnswer } from '../../transmitter/ports.ts';
import type { Database, Statements } from './database.ts';
import { lookedAtMax, nextOf } from './next-deliveries.ts';
import { nextForPoll } from './next-for-poll.ts';
import { together } from './together.ts';

/** Reads what a stream's Authorization value was sealed to. */
export type OpenAuthorization = (stream: StreamId, sealed: Uint8Array) => string;

/** A paused stream still tells that it was paused, a disabled one that it was disabled, and nothing else. @see SSF 1.0 §8.1.5 */
const mayLeave = sql`(s.status = 'enabled' OR (d.control AND d.event_type = ${streamUpdatedEventType}))`;

export function createDeliveryStore(options: {
  readonly database: Database;
  readonly openAuthorization: OpenAuthorization;
}): DeliveryStore {
  const { database, openAuthorization } = options;
  return {
    async claimPushes({ nowMs, untilMs, room, roomMax, trialFrom, limit }) {
      const mayGo = sql`due_at_ms <= ${nowMs} AND claimed_until_ms <= ${nowMs}`;
      const { rows } = await database.db.execute<PushRow>(sql`
        WITH busy AS (
          SELECT * FROM unnest(${sql.param([...room.keys()])}::text[], ${sql.param([...room.values()])}::integer[]) AS r (id, room)),
        may AS (
          SELECT s.id, s.failures_in_row >= ${trialFrom} AS is_trial, CASE WHEN s.failures_in_row < ${trialFrom} THEN coalesce(b.room, ${roomMax}::integer)
                            WHEN b.id IS NULL THEN 1 ELSE 0 END AS room,
                 ${roomMax}::integer - coalesce(b.room, ${roomMax}::integer) AS out
            FROM hub.streams s LEFT JOIN busy b ON b.id = s.id
           WHERE s.method = 'push' AND s.status = 'enabled' AND s.blocked_until_ms <= ${nowMs}),
        next AS (
          SELECT n.seq, n.denies, m.room, m.out + row_number() OVER (PARTITION BY m.id ORDER BY n.denies DESC, n.seq) AS turn,
                 row_number() OVER (PARTITION BY m.id ORDER BY n.denies DESC, n.seq) AS nth
            FROM may m CROSS JOIN LATERAL (${nextOf(sql`m.id`, mayGo, roomMax)}) n
           WHERE m.room > 0 AND NOT m.is_trial
          UNION ALL
          SELECT n.seq, n.denies, 1, 0, 1 FROM may m CROSS JOIN LATERAL (
            SELECT d.seq, d.denies FROM (${nextOf(sql`m.id`, mayGo, roomMax)}) f JOIN hub.deliveries d ON d.seq = f.seq
             ORDER BY d.attempts, d.denies DESC, d.seq LIMIT 1) n
           WHERE m.room > 0 AND m.is_trial
          UNION ALL
          SELECT d.seq, d.denies, 1, 0, 1 FROM hub.deliveries d JOIN hub.streams s ON s.id = d.stream_id
           WHERE d.state = 'pending' AND d.control AND d.event_type = ${streamUpdatedEventType} AND s.method = 'push'
             AND s.status <> 'enabled' AND s.blocked_until_ms <= ${nowMs} AND d.due_at_ms <= ${nowMs}
             AND d.claimed_until_ms <= ${nowMs}),
        chosen AS (SELECT seq FROM next WHERE nth <= room ORDER BY turn, denies DESC, seq LIMIT ${limit}),
        locked AS (
          SELECT d.seq FROM hub.deliveries d WHERE d.seq IN (SELECT seq FROM chosen) AND d.state = 'pending'
             AND d.claimed_until_ms <= ${nowMs} ORDER BY d.seq FOR UPDATE SKIP LOCKED)
        UPDATE hub.deliveries d SET claimed_until_ms = ${untilMs}, fence = d.fence + 1
          FROM locked c JOIN hub.deliveries o ON o.seq = c.seq JOIN hub.streams s ON s.id = o.stream_id
         WHERE d.seq = c.seq
        RETURNING ${claimColumns}, s.endpoint_url, s.authorization_sealed, s.failures_in_row,
                  s.trying_since_ms::float8 AS trying_since_ms, s.tried_at_ms::float8 AS tried_at_ms,
                  d.last_answer ->> 'err' AS previous_err, d.first_sent_at_ms::float8 AS first_sent_at_ms`);
      return rows.map(
        (row): ClaimedPush => ({
          ...toClaim(row),
          attempts: row.attempts + 1,
          endpointUrl: row.endpoint_url,
          ...(row.first_sent_at_ms === null ? {} : { firstSentAtMs: row.first_sent_at_ms }),
          failuresInRow: row.failures_in_row,
          trying: { sinceMs: row.trying_since_ms, lastAtMs: row.tried_at_ms },
          ...(row.previous_err === null ? {} : { previousErr: row.previous_err }),
          ...authorizationOf(row, openAuthorization),
        }),
      );
    },

    async keepClaims(claims, untilMs) {
      if (claims.length === 0) return;
      await database.db.execute(sql`
        UPDATE hub.deliveries SET claimed_until_ms = ${untilMs} WHERE seq IN (
          SELECT d.seq FROM ${claimsOf(claims)} JOIN hub.deliveries d ON d.jti = x.jti AND d.fence = x.fence
           WHERE d.state = 'pending' ORDER BY d.seq FOR UPDATE OF d SKIP LOCKED)`);
    },

    async findMayLeave(claims) {
      const { rows } = await database.db.execute<{ jti: string }>(sql`
        SELECT d.jti FROM ${claimsOf(claims)} JOIN hub.deliveries d ON d.jti = x.jti AND d.fence = x.fence
          JOIN hub.streams s ON s.id = d.stream_id
         WHERE d.state = 'pending' AND ${mayLeave}`);
      return new Set(rows.map(({ jti }) => setId(jti)));
    },

    async storeSigned(signed, nowMs) {
      const { rows } = await database.db.execute<{ jti: string }>(sql`
        WITH x AS (
          SELECT d.seq, y.compact, y.kid
            FROM unnest(${sql.param(signed.map(({ id }) => id))}::text[],
                        ${sql.param(signed.map(({ fence }) => fence))}::bigint[],
                        ${sql.param(signed.map((one) => one.signed.compact))}::text[],
                        ${sql.param(signed.map((one) => one.signed.kid))}::text[]) AS y (jti, fence, compact, kid)
            JOIN hub.deliveries d ON d.jti = y.jti AND d.fence = y.fence
            JOIN hub.streams s ON s.id = d.stream_id
           WHERE d.state = 'pending' AND ${mayLeave} ORDER BY d.seq FOR UPDATE OF d)
        UPDATE hub.deliveries d
           SET compact = x.compact, kid = x.kid, first_sent_at_ms = coalesce(d.first_sent_at_ms, ${nowMs})
          FROM x WHERE d.seq = x.seq
        RETURNING d.jti`);
      return new Set(rows.map(({ jti }) => setId(jti)));
    },

    async settle(settlements, endpoints, nowMs) {
      await database.transact(async (tx) => {
        await together([
          noteEndpoints(tx, endpoints),
          settleRows(tx, settlements, nowMs),
          hurry(tx, endpoints, nowMs),
        ]);
      });
    },

    async takeForPoll(stream, { nowMs, untilMs, limit }) {
      const { rows } = await database.db.execute<ClaimRow>(sql`
        WITH chosen AS MATERIALIZED (${nextForPoll(sql`${stream}`, nowMs, limit + 1)}),
        taken AS (
          SELECT d.seq FROM hub.deliveries d WHERE d.seq IN (SELECT seq FROM chosen ORDER BY turn, seq LIMIT ${limit})
             AND d.state = 'pending' AND d.claimed_until_ms <= ${nowMs} ORDER BY d.seq FOR UPDATE SKIP LOCKED),
        claimed AS (
          UPDATE hub.deliveries d
             SET claimed_until_ms = ${untilMs}, fence = d.fence + 1, attempts = d.attempts + 1
            FROM taken t JOIN hub.deliveries o ON o.seq = t.seq JOIN hub.streams s ON s.id = o.stream_id
           WHERE d.seq = t.seq
          RETURNING d.seq, ${claimColumns})
        SELECT c.*, (SELECT count(*) > ${limit} FROM chosen) AS more FROM claimed c ORDER BY c.seq`);
      return { taken: rows.map(toClaim), more: rows[0]?.more ?? false };
    },

    async giveAgain(stream, ids, isServed) {
      const signed = sql`d.stream_id = ${stream} AND d.jti = ANY (${sql.param(ids)}::text[]) AND d.state = 'pending'`;
      const { rows: kids } = await database.db.execute<{ kid: string }>(sql`
        SELECT DISTINCT d.kid FROM hub.deliveries d WHERE ${signed} AND d.kid IS NOT NULL`);
      const gone = kids.map(({ kid }) => kid).filter((kid) => !isServed(kid));
      if (gone.length === 0) return new Set();
      const { rows } = await database.db.execute<{ jti: string }>(sql`
        UPDATE hub.deliveries d SET claimed_until_ms = 0
         WHERE ${signed} AND d.kid = ANY (${sql.param(gone)}::text[]) RETURNING d.jti`);
      return new Set(rows.map(({ jti }) => jti));
    },

    async acknowledge(stream, acks, errors, nowMs) {
      const reported = [...errors];
      const { rows } = await database.db.execute<{ jti: string; is_dead: boolean }>(sql`
        UPDATE hub.deliveries d
           SET state = CASE WHEN x.answer IS NULL THEN 'delivered' ELSE 'dead' END, settled_at_ms = ${nowMs},
               last_answer = x.answer
          FROM (
            SELECT DISTINCT ON (jti) jti, answer FROM (
              SELECT jti, answer::jsonb FROM unnest(${sql.param(reported.map(([jti]) => jti))}::text[],
                ${sql.param(reported.map(([, answer]) => JSON.stringify(answer)))}::text[]) AS e (jti, answer)
              UNION ALL
              SELECT jti, NULL FROM unnest(${sql.param(acks)}::text[]) AS a (jti)) said
             ORDER BY jti, answer NULLS LAST) x
         WHERE d.jti = x.jti AND d.stream_id = ${stream} AND d.state = 'pending' AND d.compact IS NOT NULL
        RETURNING d.jti, d.state = 'dead' AS is_dead`);
      return rows.flatMap(({ jti, is_dead: isDead }) => (isDead ? [setId(jti)] : []));
    },
  };
}

const claimColumns = sql`d.jti, d.stream_id, d.claims, d.compact, d.kid, d.attempts, d.fence::float8 AS fence,
  d.created_at_ms::float8 AS created_at_ms, s.algorithm`;

type ClaimRow = {
  readonly jti: string;
  readonly stream_id: string;
  readonly claims: SetClaims;
  readonly compact: string | null;
  readonly kid: string | null;
  readonly attempts: number;
  readonly fence: number;
  readonly created_at_ms: Millis;
  readonly algorithm: SigningAlgorithm;
  readonly more?: boolean;
};
type PushRow = ClaimRow & {
  readonly endpoint_url: string;
  readonly authorization_sealed: Uint8Array | null;
  readonly failures_in_row: number;
  readonly trying_since_ms: Millis;
  readonly tried_at_ms: Millis;
  readonly previous_err: string | null;
  readonly first_sent_at_ms: Millis | null;
};

/** One that does not open stops its own stream, and no other. */
function authorizationOf(
  { stream_id: id, authorization_sealed: sealed }: PushRow,
  open: OpenAuthorization,
): Pick<ClaimedPush, 'authorization' | 'fault'> {
  if (sealed === null) return {};
  try {
    return { authorization: open(streamId(id), sealed) };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : 'The Authorization value does not open.' };
  }
}

const toClaim = (row: ClaimRow): Claim => ({
  id: setId(row.jti),
  streamId: streamId(row.stream_id),
  claims: row.claims,
  algorithm: row.algorithm,
  ...(row.compact === null || row.kid === null ? {} : { signed: { compact: row.compact, kid: row.kid } }),
  attempts: row.attempts,
  createdAtMs: row.created_at_ms,
  fence: row.fence,
});

const claimsOf = (claims: readonly Pick<Claim, 'id' | 'fence'>[]) => sql`
  unnest(${sql.param(claims.map(({ id }) => id))}::text[],
         ${sql.param(claims.map(({ fence }) => fence))}::bigint[]) AS x (jti, fence)`;

async function settleRows(tx: Statements, settlements: readonly Settlement[], nowMs: Millis): Promise<void> {
  if (settlements.length === 0) return;
  const rows = settlements.map((one) => ({
    jti: one.id,
    fence: one.fence,
    state: one.state === 'retry' ? 'pending' : one.state,
    due_at_ms: one.state === 'retry' ? one.dueAtMs : nowMs,
    answer: answerOf(one.answer, nowMs),
  }));
  await tx.execute(sql`
    WITH x AS (
      SELECT d.seq, y.state, y.due_at_ms, y.answer FROM json_to_recordset(${JSON.stringify(rows)}::json)
          AS y (jti text, fence bigint, state text, due_at_ms bigint, answer jsonb)
        JOIN hub.deliveries d ON d.jti = y.jti AND d.fence = y.fence
       WHERE d.state = 'pending' ORDER BY d.seq FOR UPDATE OF d)
    UPDATE hub.deliveries d
       SET state = x.state, due_at_ms = x.due_at_ms, claimed_until_ms = 0, last_answer = x.answer, attempts = d.attempts + 1,
           settled_at_ms = CASE WHEN x.state = 'pending' THEN NULL ELSE ${nowMs}::bigint END
      FROM x WHERE d.seq = x.seq`);
}

/** Where an endpoint is back nothing waits for its own next attempt any more, least of all a kill behind it. */
async function hurry(tx: Statements, endpoints: readonly EndpointState[], nowMs: Millis): Promise<void> {
  const back = endpoints.filter(({ isBack }) => isBack);
  if (back.length === 0) return;
  await tx.execute(sql`
    UPDATE hub.deliveries SET due_at_ms = ${nowMs} WHERE seq IN (
      SELECT d.seq FROM unnest(${sql.param(back.map(({ streamId: id }) => id))}::text[]) AS x (id)
       CROSS JOIN LATERAL (
         SELECT d.seq FROM hub.deliveries d
          WHERE d.state = 'pending' AND d.stream_id = x.id AND d.due_at_ms > ${nowMs} AND d.claimed_until_ms = 0
          ORDER BY d.denies DESC, d.seq LIMIT ${lookedAtMax} FOR UPDATE SKIP LOCKED) d)`);
}

const answerOf = (answer: PushAnswer | undefined, nowMs: Millis) =>
  answer === undefined ? null : { ...answer, at_ms: nowMs };

async function noteEndpoints(tx: Statements, endpoints: readonly EndpointState[]): Promise<void> {
  if (endpoints.length === 0) return;
  const ordered = endpoints.toSorted((one, other) => (one.streamId < other.streamId ? -1 : 1));
  await tx.execute(sql`
    UPDATE hub.streams s
       SET failures_in_row = x.failures, blocked_until_ms = x.blocked_until_ms, trying_since_ms = x.trying_since_ms,
           tried_at_ms = x.tried_at_ms
      FROM unnest(${sql.param(ordered.map(({ streamId: id }) => id))}::text[],
                  ${sql.param(ordered.map(({ failuresInRow }) => failuresInRow))}::integer[],
                  ${sql.param(ordered.map(({ blockedUntilMs }) => blockedUntilMs))}::bigint[],
                  ${sql.param(ordered.map(({ trying }) => trying.sinceMs))}::bigint[],
                  ${sql.param(ordered.map(({ trying }) => trying.lastAtMs))}::bigint[])
        AS x (id, failures, blocked_until_ms, trying_since_ms, tried_at_ms)
     WHERE s.id = x.id`);
}

import { sql } from 'drizzle-orm';
import type { SetClaims } from '../../core/set-claims.ts';
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
import { together } from './together.ts';

/** Reads what a stream's Authorization value was sealed to. */
export type OpenAuthorization = (stream: StreamId, sealed: Uint8Array) => string;

/** No other that is pending comes before it: of its principal it is the first. */
const isFirst = sql`NOT EXISTS (
  SELECT FROM hub.deliveries e
   WHERE e.state = 'pending' AND e.stream_id = d.stream_id AND e.principal = d.principal AND e.seq < d.seq)`;

/** A paused stream still tells that it was paused; a disabled one, too. @see SSF 1.0 §8.1.5 */
const mayLeave = sql`(s.status = 'enabled' OR d.control)`;

export function createDeliveryStore(options: {
  readonly database: Database;
  readonly openAuthorization: OpenAuthorization;
}): DeliveryStore {
  const { database, openAuthorization } = options;
  return {
    async claimPushes({ nowMs, untilMs, room, roomMax, trialFrom, limit }) {
      const { rows } = await database.db.execute<PushRow>(sql`
        WITH next AS (
          SELECT n.seq, n.stream_id, row_number() OVER (PARTITION BY n.stream_id ORDER BY n.denies DESC, n.seq) AS nth, n.denies,
                 s.failures_in_row >= ${trialFrom} AS fails
            FROM hub.streams s
           CROSS JOIN LATERAL (
             SELECT d.seq, d.stream_id, d.denies FROM hub.deliveries d
              WHERE d.state = 'pending' AND d.stream_id = s.id AND d.due_at_ms <= ${nowMs} AND d.claimed_until_ms <= ${nowMs}
                AND ${mayLeave} AND ${isFirst}
              ORDER BY d.denies DESC, d.seq LIMIT ${roomMax} FOR UPDATE OF d SKIP LOCKED) n
           WHERE s.method = 'push' AND s.blocked_until_ms <= ${nowMs}),
        chosen AS (
          SELECT n.seq FROM next n
            LEFT JOIN unnest(${sql.param([...room.keys()])}::text[], ${sql.param([...room.values()])}::integer[]) AS r (id, room)
              ON r.id = n.stream_id
           WHERE n.nth <= CASE WHEN NOT n.fails THEN coalesce(r.room, ${roomMax}) WHEN r.id IS NULL THEN 1 ELSE 0 END
           ORDER BY n.denies DESC, n.seq LIMIT ${limit})
        UPDATE hub.deliveries d
           SET claimed_until_ms = ${untilMs}, fence = d.fence + 1, attempts = d.attempts + 1
          FROM chosen c JOIN hub.deliveries o ON o.seq = c.seq JOIN hub.streams s ON s.id = o.stream_id
         WHERE d.seq = c.seq
        RETURNING ${claimColumns}, s.endpoint_url, s.authorization_sealed, s.failures_in_row,
                  d.last_answer ->> 'err' AS previous_err`);
      return rows.map(
        (row): ClaimedPush => ({
          ...toClaim(row),
          endpointUrl: row.endpoint_url,
          failuresInRow: row.failures_in_row,
          ...(row.previous_err === null ? {} : { previousErr: row.previous_err }),
          ...(row.authorization_sealed === null
            ? {}
            : { authorization: openAuthorization(streamId(row.stream_id), row.authorization_sealed) }),
        }),
      );
    },

    async keepClaims(claims, untilMs) {
      if (claims.length === 0) return;
      await database.db.execute(sql`
        UPDATE hub.deliveries d SET claimed_until_ms = ${untilMs} FROM ${claimsOf(claims)}
         WHERE d.jti = x.jti AND d.fence = x.fence AND d.state = 'pending'`);
    },

    async storeSigned(signed, nowMs) {
      const { rows } = await database.db.execute<{ jti: string }>(sql`
        UPDATE hub.deliveries d
           SET compact = x.compact, kid = x.kid, first_sent_at_ms = coalesce(d.first_sent_at_ms, ${nowMs})
          FROM unnest(${sql.param(signed.map(({ id }) => id))}::text[],
                      ${sql.param(signed.map(({ fence }) => fence))}::bigint[],
                      ${sql.param(signed.map((one) => one.signed.compact))}::text[],
                      ${sql.param(signed.map((one) => one.signed.kid))}::text[]) AS x (jti, fence, compact, kid)
         WHERE d.jti = x.jti AND d.fence = x.fence AND d.state = 'pending'
        RETURNING d.jti`);
      return new Set(rows.map(({ jti }) => setId(jti)));
    },

    async settle(settlements, endpoints, nowMs) {
      await database.transact(async (tx) => {
        await together([settleRows(tx, settlements, nowMs), noteEndpoints(tx, endpoints)]);
      });
    },

    async takeForPoll(stream, { nowMs, untilMs, limit }) {
      const { rows } = await database.db.execute<ClaimRow>(sql`
        WITH chosen AS (
          SELECT d.seq FROM hub.deliveries d JOIN hub.streams s ON s.id = d.stream_id
           WHERE d.state = 'pending' AND d.stream_id = ${stream} AND d.claimed_until_ms <= ${nowMs} AND ${mayLeave}
           ORDER BY d.denies DESC, d.seq LIMIT ${limit + 1} FOR UPDATE OF d SKIP LOCKED),
        taken AS (SELECT seq FROM chosen LIMIT ${limit}),
        claimed AS (
          UPDATE hub.deliveries d
             SET claimed_until_ms = ${untilMs}, fence = d.fence + 1, attempts = d.attempts + 1
            FROM taken t JOIN hub.deliveries o ON o.seq = t.seq JOIN hub.streams s ON s.id = o.stream_id
           WHERE d.seq = t.seq
          RETURNING d.seq, ${claimColumns})
        SELECT c.*, (SELECT count(*) > ${limit} FROM chosen) AS more FROM claimed c ORDER BY c.seq`);
      return { taken: rows.map(toClaim), more: rows[0]?.more ?? false };
    },

    async acknowledge(stream, acks, errors, nowMs) {
      const reported = [...errors];
      await database.db.execute(sql`
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
         WHERE d.jti = x.jti AND d.stream_id = ${stream} AND d.state = 'pending' AND d.compact IS NOT NULL`);
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
  readonly previous_err: string | null;
};

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
    UPDATE hub.deliveries d
       SET state = x.state, due_at_ms = x.due_at_ms, claimed_until_ms = 0, last_answer = x.answer,
           settled_at_ms = CASE WHEN x.state = 'pending' THEN NULL ELSE ${nowMs}::bigint END
      FROM json_to_recordset(${JSON.stringify(rows)}::json)
        AS x (jti text, fence bigint, state text, due_at_ms bigint, answer jsonb)
     WHERE d.jti = x.jti AND d.fence = x.fence AND d.state = 'pending'`);
}

const answerOf = (answer: PushAnswer | undefined, nowMs: Millis) =>
  answer === undefined ? null : { ...answer, at_ms: nowMs };

async function noteEndpoints(tx: Statements, endpoints: readonly EndpointState[]): Promise<void> {
  if (endpoints.length === 0) return;
  const ordered = endpoints.toSorted((one, other) => (one.streamId < other.streamId ? -1 : 1));
  await tx.execute(sql`
    UPDATE hub.streams s SET failures_in_row = x.failures, blocked_until_ms = x.blocked_until_ms
      FROM unnest(${sql.param(ordered.map(({ streamId: id }) => id))}::text[],
                  ${sql.param(ordered.map(({ failuresInRow }) => failuresInRow))}::integer[],
                  ${sql.param(ordered.map(({ blockedUntilMs }) => blockedUntilMs))}::bigint[])
        AS x (id, failures, blocked_until_ms)
     WHERE s.id = x.id`);
}

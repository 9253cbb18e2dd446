import { hash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { formatPosition, type Position } from '../../core/feed.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { createDigest, stepDigest } from '../../enforcement/cache/digest.ts';
import { chunksOf } from './chunks.ts';
import type { Statements } from './database.ts';

export type NewFeedEntry = {
  readonly op: 'put' | 'lift' | 'drop';
  readonly id: string;
  /** @see putBody, removeBody */
  readonly body: string;
  /** Where an entry stood that moves or ends now. */
  readonly stoodAt?: Position;
};

/** Where in the feed an entry stands. */
export type FeedPlace = {
  readonly position: string;
  readonly epoch: string;
  readonly seq: number;
  readonly committedAtMs: Millis;
};

export const placeOf = (row: { epoch: string; seq: number; at_ms: Millis }): FeedPlace => ({
  position: formatPosition(row),
  epoch: row.epoch,
  seq: row.seq,
  committedAtMs: row.at_ms,
});

/**
 * The end of the feed, in the hands of one transaction until that ends: positions are gapless and in commit order.
 * Entries are numbered, chained and digested here; nothing is written before `write`.
 */
export type FeedEnd = {
  append(entry: NewFeedEntry): FeedPlace;
  /** Writes all that was appended; called once, after the last. */
  write(tx: Statements): Promise<void>;
};

/** No statement writes more rows, so that none holds its locks for long. */
export const rowsPerStatementMax = 1_000;
const checkBytes = 8;

/**
 * Waits for the end of the feed and holds it. Whoever puts, moves or ends entries does this before touching any row of
 * them, so that no two transactions wait for each other.
 */
export async function lockFeed(tx: Statements): Promise<FeedEnd> {
  const { rows } = await tx.execute<HeadRow>(sql`
    SELECT epoch, seq::float8 AS seq, encode(check_value, 'hex') AS check, digest::float8[] AS digest,
           floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms
      FROM hub.feed_head FOR UPDATE`);
  const [head] = rows;
  if (head === undefined) throw new Error('hub.feed_head has no row');
  return feedEnd(head);
}

type HeadRow = {
  readonly epoch: string;
  readonly seq: number;
  readonly check: string;
  readonly digest: readonly number[];
  readonly now_ms: Millis;
};

type AppendedEntry = NewFeedEntry & { readonly seq: number; readonly check: string };

function feedEnd({ epoch, seq: headSeq, check: headCheck, digest, now_ms: committedAtMs }: HeadRow): FeedEnd {
  const lanes = createDigest();
  lanes.set(digest);
  const appended: AppendedEntry[] = [];
  let check = headCheck;
  return {
    append(entry) {
      const seq = headSeq + appended.length + 1;
      const position = formatPosition({ epoch, seq });
      check = nextCheck(check, seq, entry);
      appended.push({ ...entry, seq, check });
      // What stood at an earlier position leaves the digest, what is put enters it.
      if (entry.stoodAt !== undefined) stepDigest(lanes, entry.id, formatPosition(entry.stoodAt), -1);
      if (entry.op === 'put') stepDigest(lanes, entry.id, position, 1);
      return { position, epoch, seq, committedAtMs };
    },

    async write(tx) {
      const rowsOf = (chunk: readonly AppendedEntry[]) => sql`
        INSERT INTO hub.feed_log (seq, epoch, op, revocation_id, body, check_value, committed_at_ms)
        SELECT seq, ${epoch}, op, id, body, decode(check_value, 'hex'), ${committedAtMs}
          FROM unnest(${sql.param(chunk.map(({ seq }) => seq))}::bigint[],
                      ${sql.param(chunk.map(({ op }) => op))}::text[],
                      ${sql.param(chunk.map(({ id }) => id))}::text[],
                      ${sql.param(chunk.map(({ body }) => body))}::text[],
                      ${sql.param(chunk.map((entry) => entry.check))}::text[]) AS e (seq, op, id, body, check_value)`;
      const [first, ...others] = chunksOf(appended, rowsPerStatementMax);
      if (first === undefined) return;
      await tx.execute(sql`
        WITH moved AS (
          UPDATE hub.feed_head SET seq = ${headSeq + appended.length}, check_value = decode(${check}, 'hex'),
                 digest = ${sql.param([...lanes])}::bigint[])
        ${rowsOf(first)}`);
      for (const chunk of others) await tx.execute(rowsOf(chunk));
    },
  };
}

/** SHA-256(previous check ‖ seq ‖ op ‖ id ‖ body), truncated. */
function nextCheck(check: string, seq: number, { op, id, body }: NewFeedEntry): string {
  const bytes = Buffer.concat([Buffer.from(check, 'hex'), Buffer.from(`${seq}${op}${id}${body}`)]);
  return hash('sha256', bytes, 'hex').slice(0, checkBytes * 2);
}

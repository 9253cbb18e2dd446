import { sql } from 'drizzle-orm';
import { formatPosition } from '../../core/feed.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';

export type NewFeedEntry = {
  readonly op: 'put' | 'lift' | 'drop';
  readonly id: string;
  /** @see putBody, removeBody */
  readonly body: string;
};

/** Where in the feed an entry stands. */
export type FeedPlace = { readonly position: string; readonly seq: number; readonly committedAtMs: Millis };

export const placeOf = (row: { epoch: string; seq: number; at_ms: number }): FeedPlace => ({
  position: formatPosition({ epoch: row.epoch, seq: row.seq }),
  seq: row.seq,
  committedAtMs: row.at_ms,
});

/**
 * Numbers the entries in the order given and chains them to the feed; ids are distinct. Near the end of a
 * transaction: from here to the commit it holds the lock that every other writer of the feed waits for.
 *
 * @returns by revocation id.
 */
export async function appendFeed(
  tx: Statements,
  entries: readonly NewFeedEntry[],
): Promise<ReadonlyMap<string, FeedPlace>> {
  if (entries.length === 0) return new Map();
  const { rows } = await tx.execute<{ id: string; epoch: string; seq: number; at_ms: number }>(sql`
    SELECT revocation_id AS id, epoch, seq::float8 AS seq, committed_at_ms::float8 AS at_ms
      FROM hub.append_feed(${sql.param(entries.map(({ op }) => op))}::text[],
                           ${sql.param(entries.map(({ id }) => id))}::text[],
                           ${sql.param(entries.map(({ body }) => body))}::text[])`);
  return new Map(rows.map((row) => [row.id, placeOf(row)]));
}

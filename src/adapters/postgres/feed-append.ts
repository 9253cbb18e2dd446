import { sql } from 'drizzle-orm';
import { formatPosition } from '../../core/feed.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { chunksOf } from './chunks.ts';
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

/** Of one statement: each takes a while to chain, far below the time that a statement has. */
const appendedMax = 500;

/**
 * Numbers the entries in the order given and chains them to the feed; ids are distinct. Near the end of a
 * transaction: from here to the commit it holds the lock that every other writer of the feed waits for, so that
 * positions are gapless whatever the number of statements.
 *
 * @returns by revocation id.
 */
export async function appendFeed(
  tx: Statements,
  entries: readonly NewFeedEntry[],
): Promise<ReadonlyMap<string, FeedPlace>> {
  const places = new Map<string, FeedPlace>();
  for (const chunk of chunksOf(entries, appendedMax)) {
    const { rows } = await tx.execute<{ id: string; epoch: string; seq: number; at_ms: number }>(sql`
      SELECT revocation_id AS id, epoch, seq::float8 AS seq, committed_at_ms::float8 AS at_ms
        FROM hub.append_feed(${sql.param(chunk.map(({ op }) => op))}::text[],
                             ${sql.param(chunk.map(({ id }) => id))}::text[],
                             ${sql.param(chunk.map(({ body }) => body))}::text[])`);
    for (const row of rows) places.set(row.id, placeOf(row));
  }
  return places;
}

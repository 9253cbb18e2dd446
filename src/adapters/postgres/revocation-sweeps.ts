import { sql } from 'drizzle-orm';
import { revocationId, type Millis } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { DueStore } from '../../pipeline/due-work.ts';
import type { HeldStore } from '../../intake/ports.ts';
import type { Database, Statements } from './database.ts';
import { lockFeed, rowsPerStatementMax } from './feed-append.ts';
import { placeChange } from './revocation-feed.ts';

/** A point whose clock is behind by less still knows an entry when it should. */
const lapseGraceSeconds = 60;
/** Positions that a point may be behind and still resume from the log. */
const feedLogKeptMin = 100_000;

/** Forget what means nothing any more. Each goes in chunks and answers how many rows it touched. */
export type Sweeps = {
  /** Entries that have lapsed leave the live set and the feed. */
  dropLapsed(nowMs: Millis, stop: AbortSignal): Promise<number>;
  endLapsedStanding(nowMs: Millis, stop: AbortSignal): Promise<number>;
  /** Keeps the newest `keep` entries of the log, and never fewer than 100,000. */
  trimFeedLog(keep: number, stop: AbortSignal): Promise<number>;
  /** How many kills each source caused in seconds before. */
  trimKillCounts(beforeMs: Millis, stop: AbortSignal): Promise<number>;
  /** Receipts, their notes and reports that arrived before. */
  trimReceipts(beforeMs: Millis, stop: AbortSignal): Promise<number>;
};

export function createSweeps(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): Sweeps {
  const { database, announcer } = options;
  const inTransaction = (work: (tx: Statements) => Promise<number>) => () => database.transact(work);
  const affected = (statement: ReturnType<typeof sql>) => async () =>
    (await database.db.execute(statement)).rowCount ?? 0;
  return {
    async dropLapsed(nowMs, stop) {
      const dropped = await untilDone(
        inTransaction((tx) => dropChunk(tx, nowMs)),
        stop,
      );
      if (dropped > 0) announcer.announce('feed');
      return dropped;
    },
    endLapsedStanding: (nowMs, stop) =>
      untilDone(
        affected(sql`
          UPDATE hub.standing_kills SET state = 'ended' WHERE id IN (
            SELECT id FROM hub.standing_kills WHERE state = 'standing'
               AND (lapses_at < ${Math.floor(nowMs / 1_000) - lapseGraceSeconds} OR lift_at_ms <= ${nowMs}) LIMIT ${rowsPerStatementMax})`),
        stop,
      ),
    trimFeedLog: (keep, stop) =>
      untilDone(
        affected(sql`
          DELETE FROM hub.feed_log WHERE seq IN (
            SELECT l.seq FROM hub.feed_log l
             WHERE l.seq <= (SELECT h.seq FROM hub.feed_head h) - ${Math.max(keep, feedLogKeptMin)}
             ORDER BY l.seq LIMIT ${rowsPerStatementMax})`),
        stop,
      ),
    trimKillCounts: (beforeMs, stop) =>
      untilDone(
        affected(sql`
          DELETE FROM hub.source_kills WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM hub.source_kills WHERE second < ${Math.floor(beforeMs / 1_000)} LIMIT ${rowsPerStatementMax}))`),
        stop,
      ),
    async trimReceipts(beforeMs, stop) {
      let trimmed = 0;
      for (const table of ['receipts', 'receipt_notes', 'reports']) {
        const rows = sql.identifier(table);
        const chunk = affected(sql`
          DELETE FROM hub.${rows} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM hub.${rows} WHERE received_at_ms < ${beforeMs} LIMIT ${rowsPerStatementMax}))`);
        trimmed += await untilDone(chunk, stop);
      }
      return trimmed;
    },
  };
}

async function untilDone(chunk: () => Promise<number>, stop: AbortSignal): Promise<number> {
  let total = 0;
  while (!stop.aborted) {
    const touched = await chunk();
    total += touched;
    if (touched < rowsPerStatementMax) break;
  }
  return total;
}

async function dropChunk(tx: Statements, nowMs: Millis): Promise<number> {
  await lockFeed(tx);
  const { rows } = await tx.execute<{ id: string }>(sql`
    SELECT id FROM hub.revocations WHERE state = 'live' AND lapses_at < ${Math.floor(nowMs / 1_000) - lapseGraceSeconds}
     ORDER BY lapses_at LIMIT ${rowsPerStatementMax}`);
  if (rows.length === 0) return 0;
  const endings = rows.map(({ id }) => ({ id: revocationId(id), by: 'lapse' }));
  const placed = await placeChange(tx, { endings, endTo: 'dropped', puts: [] }, nowMs);
  await placed.write();
  return placed.ended.length;
}

export const createDueStore = (options: {
  readonly database: Database;
  readonly held: Pick<HeldStore, 'due'>;
}): DueStore => ({
  async timedLifts(nowMs, limit) {
    const { rows } = await options.database.db.execute<{ id: string; match: Record<string, string> }>(sql`
      SELECT id, match FROM hub.revocations WHERE state = 'live' AND lift_at_ms <= ${nowMs}
       ORDER BY lift_at_ms LIMIT ${limit}`);
    return rows.map(({ id, match }) => ({ id: revocationId(id), match }));
  },
  held: (nowMs, limit) => options.held.due(nowMs, limit),
});

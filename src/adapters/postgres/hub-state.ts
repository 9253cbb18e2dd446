import type { Millis } from '../../core/vocabulary.ts';
import type { Database } from './database.ts';

/** What people and monitoring ask of the whole hub. */
export type HubState = {
  readonly epoch: string;
  readonly epochOpenedAtMs: Millis;
  readonly epochOpenedBecause: string;
};

/** One short statement: whoever gets an answer has a database. */
export async function readHubState({ pool }: Pick<Database, 'pool'>): Promise<HubState> {
  const { rows } = await pool.query<{ epoch: string; opened_at_ms: string; opened_because: string }>(
    'SELECT epoch, opened_at_ms, opened_because FROM hub.feed_head',
  );
  const [head] = rows;
  if (head === undefined) throw new Error('hub.feed_head has no row');
  return {
    epoch: head.epoch,
    epochOpenedAtMs: Number(head.opened_at_ms),
    epochOpenedBecause: head.opened_because,
  };
}

export async function countHeldWaiting({ pool }: Pick<Database, 'pool'>): Promise<number> {
  const { rows } = await pool.query<{ waiting: string }>(
    "SELECT count(*) AS waiting FROM hub.held WHERE state = 'waiting'",
  );
  return Number(rows[0]?.waiting ?? 0);
}

export type LiveCount = { readonly effect: string; readonly lapses: boolean; readonly count: number };

/** Walks all live entries: not to be asked often. */
export async function countLiveEntries({ pool }: Pick<Database, 'pool'>): Promise<readonly LiveCount[]> {
  const { rows } = await pool.query<{ effect: string; lapses: boolean; count: string }>(
    `SELECT effect, lapses_at IS NOT NULL AS lapses, count(*) AS count
     FROM hub.revocations WHERE state = 'live' GROUP BY 1, 2`,
  );
  return rows.map(({ effect, lapses, count }) => ({ effect, lapses, count: Number(count) }));
}

import { eq, sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import type { StreamId } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { Replay, ReplayRange } from '../../transmitter/delivery-ports.ts';
import type { By } from '../../transmitter/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { isOutdated } from './outdated-deliveries.ts';
import { streams } from './schema-transmitter.ts';

/** Rows of one transaction: each goes into other indexes. */
const rowsAtOnce = 500;
/** After so many SETs one call looks no further. */
const replayMax = 10_000;

export const createReplay =
  (options: { readonly database: Database; readonly announcer: Pick<Announcer, 'announce'> }): Replay =>
  async (stream, range, { dryRun, by }) => {
    const { database, announcer } = options;
    if (dryRun) await refuseDisabled(database.db, stream);
    let count = 0;
    let outdated = 0;
    try {
      for (let after = 0; ; ) {
        const from = after;
        const step = dryRun
          ? await look(database.db, stream, range, from)
          : await database.transact((tx) => replayNext(tx, stream, range, from, by));
        count += step.seqs.length;
        outdated += step.outdated;
        if (step.end === undefined) return { count, outdated, more: false };
        if (count >= replayMax) return { count, outdated, more: true };
        after = step.end;
      }
    } finally {
      if (!dryRun && count > 0) announcer.announce('deliveries');
    }
  };

type Step = {
  /** Those that are meant, and are sent again. */
  readonly seqs: readonly number[];
  /** Meant, too, but what they say no longer holds. */
  readonly outdated: number;
  /** Some of all these may be outdated by what comes. */
  readonly mayBecomeOutdated: boolean;
  /** The last that was looked at; absent: there are no more. */
  readonly end?: number;
};
type DeadRow = {
  readonly seq: number;
  readonly made_ms: number;
  readonly has_family: boolean;
  readonly is_outdated: boolean;
};

/** Oldest first: of one principal none is made due before those that come before it. */
async function look(
  tx: Statements,
  stream: StreamId,
  { ids, fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER }: ReplayRange,
  after: number,
  locks = false,
): Promise<Step> {
  const { rows } = await tx.execute<DeadRow>(sql`
    SELECT d.seq::float8 AS seq, d.created_at_ms::float8 AS made_ms, d.family IS NOT NULL AS has_family,
           ${isOutdated(sql.raw('d'))} AS is_outdated
      FROM hub.deliveries d
     WHERE d.state = 'dead' AND d.stream_id >= ${stream} AND d.stream_id <= ${stream} AND d.seq > ${after}
           ${ids === undefined ? sql`` : sql`AND d.jti = ANY (${sql.param([...ids])}::text[])`}
     ORDER BY d.stream_id, d.seq LIMIT ${rowsAtOnce} ${locks ? sql`FOR UPDATE OF d` : sql``}`);
  const end = rows.length < rowsAtOnce ? undefined : rows.at(-1)?.seq;
  const meant = rows.filter(({ made_ms: madeMs }) => madeMs >= fromMs && madeMs <= untilMs);
  const fresh = meant.filter((row) => !row.is_outdated);
  return {
    seqs: fresh.map(({ seq }) => seq),
    outdated: meant.length - fresh.length,
    mayBecomeOutdated: fresh.some((row) => row.has_family),
    ...(end === undefined ? {} : { end }),
  };
}

/** The next of them, with the audit row that says how many. */
async function replayNext(
  tx: Statements,
  stream: StreamId,
  range: ReplayRange,
  after: number,
  by: By,
): Promise<Step> {
  await refuseDisabled(tx, stream);
  let step = await look(tx, stream, range, after, true);
  if (step.mayBecomeOutdated) {
    // Whoever has put something newer on its way is seen then, and whoever comes puts it behind: for that it waits here.
    await tx.execute(sql`SELECT FROM hub.streams WHERE id = ${stream} FOR UPDATE`);
    step = await look(tx, stream, range, after, true);
  }
  const count = step.seqs.length;
  if (count === 0) return step;
  await tx.execute(sql`
    UPDATE hub.deliveries SET state = 'pending', attempts = 0, due_at_ms = ${by.atMs}, settled_at_ms = NULL,
           claimed_until_ms = 0, first_sent_at_ms = NULL, last_answer = NULL
     WHERE seq = ANY (${sql.param(step.seqs)}::bigint[])`);
  await insertAudit(tx, [
    { ...by, action: 'delivery.replayed', target: stream, outcome: 'done', detail: { count } },
  ]);
  return step;
}

/** What waits in a disabled stream is dropped; and none is disabled before this is committed. */
async function refuseDisabled(tx: Statements, stream: StreamId): Promise<void> {
  const [row] = await tx
    .select({ status: streams.status })
    .from(streams)
    .where(eq(streams.id, stream))
    // Two replays of one stream go one after the other.
    .for('no key update');
  if (row !== undefined && row.status !== 'disabled') return;
  throw new Problem('stream-not-enabled', 'The stream is disabled: what is sent again would be dropped.', {
    hint: 'Enable it first, or pause it: then it is held.',
  });
}

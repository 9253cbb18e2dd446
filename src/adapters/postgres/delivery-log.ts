import { and, desc, eq, gte, lt, type SQL, sql } from 'drizzle-orm';
import { setId, type StreamId } from '../../core/vocabulary.ts';
import type {
  DeliveryFilter,
  DeliveryLog,
  DeliveryRecord,
  DeliveryState,
} from '../../transmitter/delivery-ports.ts';
import type { Database, Statements } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';
import { deliveries } from './schema-transmitter.ts';

/** Statements of one page: where a filter finds little, the next page looks further back. */
const looksMax = 20;

export function createDeliveryLog({ database: { db } }: { readonly database: Database }): DeliveryLog {
  return {
    async list(stream, filter, { before = Number.MAX_SAFE_INTEGER, limit }) {
      const items: DeliveryRecord[] = [];
      let from = before;
      for (let looks = 0; looks < looksMax; looks += 1) {
        const looked = await lookBack(db, stream, filter, from);
        items.push(
          ...(await readMeant(db, stream, filter, { from, ...looked, limit: limit + 1 - items.length })),
        );
        const last = items[limit - 1];
        if (items.length > limit && last !== undefined)
          return { items: items.slice(0, limit), next: last.seq };
        if (looked.isLast) return { items };
        from = looked.downTo;
      }
      return { items, next: from };
    },

    async find(stream, id) {
      const [row] = await db
        .select({ ...columns, claims: deliveries.claims, kid: deliveries.kid })
        .from(deliveries)
        .where(and(eq(deliveries.jti, id), eq(deliveries.streamId, stream)));
      if (row === undefined) return undefined;
      return { ...toRecord(row), claims: row.claims, ...(row.kid === null ? {} : { kid: row.kid }) };
    },
  };
}

/** As literals: an index of one state serves no parameter. */
const indexedStates: { readonly [State in DeliveryState]?: SQL } = {
  pending: sql`${deliveries.state} = 'pending'`,
  dead: sql`${deliveries.state} = 'dead'`,
};

/** What an index finds. */
const indexed = (stream: StreamId, { state, signalId }: DeliveryFilter): readonly (SQL | undefined)[] => [
  eq(deliveries.streamId, stream),
  state && indexedStates[state],
  signalId === undefined ? undefined : eq(deliveries.signalId, signalId),
];

/**
 * How far back the next thousand go. They are numbered as they are made, but for what goes on at the same time: where all of a
 * thousand were made too long ago, so was everything before.
 */
async function lookBack(
  db: Statements,
  stream: StreamId,
  filter: DeliveryFilter,
  from: number,
): Promise<{ readonly downTo: number; readonly isLast: boolean }> {
  const looked = db
    .select({ seq: deliveries.seq, madeMs: deliveries.createdAtMs })
    .from(deliveries)
    .where(and(...indexed(stream, filter), lt(deliveries.seq, from)))
    .orderBy(desc(deliveries.seq))
    .limit(rowsPerStatementMax)
    .as('looked');
  const [row] = await db
    .select({
      downTo: sql<number>`coalesce(min(${looked.seq}), 0)::float8`,
      rows: sql<number>`count(*)::int`,
      newestMs: sql<number>`coalesce(max(${looked.madeMs}), 0)::float8`,
    })
    .from(looked);
  const { downTo = 0, rows = 0, newestMs = 0 } = row ?? {};
  return { downTo, isLast: rows < rowsPerStatementMax || newestMs < (filter.sinceMs ?? 0) };
}

async function readMeant(
  db: Statements,
  stream: StreamId,
  filter: DeliveryFilter,
  page: { readonly from: number; readonly downTo: number; readonly limit: number },
): Promise<readonly DeliveryRecord[]> {
  const { state, eventType, subject, sinceMs } = filter;
  const rows = await db
    .select(columns)
    .from(deliveries)
    .where(
      and(
        ...indexed(stream, filter),
        lt(deliveries.seq, page.from),
        gte(deliveries.seq, page.downTo),
        state === undefined ? undefined : eq(deliveries.state, state),
        eventType === undefined ? undefined : eq(deliveries.eventType, eventType),
        subject === undefined ? undefined : isAbout(subject),
        sinceMs === undefined ? undefined : gte(deliveries.createdAtMs, sinceMs),
      ),
    )
    .orderBy(desc(deliveries.seq))
    .limit(page.limit);
  return rows.map(toRecord);
}

/** The principal, or any value in the subject of the SET, however deep. */
const isAbout = (text: string): SQL => sql`(${deliveries.principal} = ${text} OR jsonb_path_exists(
  ${deliveries.claims} -> 'sub_id', '$.** ? (@ == $text)', jsonb_build_object('text', ${text}::text)))`;

const columns = {
  seq: deliveries.seq,
  jti: deliveries.jti,
  state: deliveries.state,
  eventType: deliveries.eventType,
  principal: deliveries.principal,
  subject: sql<DeliveryRecord['subject']>`${deliveries.claims} -> 'sub_id'`,
  signalId: deliveries.signalId,
  attempts: deliveries.attempts,
  createdAtMs: deliveries.createdAtMs,
  dueAtMs: deliveries.dueAtMs,
  firstSentAtMs: deliveries.firstSentAtMs,
  settledAtMs: deliveries.settledAtMs,
  lastAnswer: deliveries.lastAnswer,
} as const;

type Row = Pick<typeof deliveries.$inferSelect, Exclude<keyof typeof columns, 'subject'>> & {
  readonly subject: DeliveryRecord['subject'];
};

const toRecord = (row: Row): DeliveryRecord => ({
  seq: row.seq,
  id: setId(row.jti),
  state: row.state,
  eventType: row.eventType,
  principal: row.principal,
  subject: row.subject,
  ...(row.signalId === null ? {} : { signalId: row.signalId }),
  attempts: row.attempts,
  createdAtMs: row.createdAtMs,
  ...(row.state === 'pending' ? { dueAtMs: row.dueAtMs } : {}),
  ...(row.firstSentAtMs === null ? {} : { firstSentAtMs: row.firstSentAtMs }),
  ...(row.settledAtMs === null ? {} : { settledAtMs: row.settledAtMs }),
  ...(row.lastAnswer === null ? {} : { answer: row.lastAnswer }),
});

import { and, asc, desc, eq, gt, isNotNull, lt, or, sql, type SQL } from 'drizzle-orm';
import type { AuditChainStore, AuditFilter, AuditRow, AuditStore, ChainedRow } from '../../audit/ports.ts';
import type { Json, JsonObject, Millis } from '../../core/vocabulary.ts';
import type { AuditEntry } from '../../pipeline/ports.ts';
import type { Database, Statements } from './database.ts';
import { auditHead, auditLog } from './schema-audit.ts';

/** Rows of one statement: no transaction writes more. */
const ROWS_MAX = 1_000;

/** Writes audit rows in the transaction of their cause. Text that Postgres cannot hold never fails it. */
export async function insertAudit(tx: Statements, entries: readonly AuditEntry[]): Promise<void> {
  for (let start = 0; start < entries.length; start += ROWS_MAX) {
    const rows = entries.slice(start, start + ROWS_MAX).map((entry) => ({
      at_ms: entry.atMs,
      actor: entry.actor,
      action: entry.action,
      target: entry.target,
      outcome: entry.outcome,
      correlation_id: entry.correlationId ?? null,
      txn: entry.txn ?? null,
      detail: entry.detail ?? {},
    }));
    await tx.execute(sql`
      INSERT INTO hub.audit_log (at_ms, actor, action, target, outcome, correlation_id, txn, detail)
      SELECT * FROM json_to_recordset(${storableText(rows)}::json) AS x (at_ms bigint, actor text, action text, target text,
        outcome text, correlation_id text, txn text, detail jsonb)`);
  }
}

/** What somebody did, as the audit has it. */
export const doneEntry = (
  action: string,
  target: string,
  { actor, atMs, correlationId }: Pick<AuditEntry, 'actor' | 'atMs' | 'correlationId'>,
  detail?: JsonObject,
): AuditEntry => ({
  atMs,
  actor,
  action,
  target,
  outcome: 'done',
  ...(correlationId === undefined ? {} : { correlationId }),
  ...(detail === undefined ? {} : { detail }),
});

export function createAuditStore({ database }: { readonly database: Database }): AuditStore {
  return {
    async list(filter, { before, limit }) {
      const rows = await database.db
        .select()
        .from(auditLog)
        .where(and(before === undefined ? undefined : lt(auditLog.id, before), ...conditions(filter)))
        .orderBy(desc(auditLog.id))
        .limit(limit);
      return rows.map((row) => ({
        ...toAuditRow(row),
        ...(row.chainSeq === null ? {} : { chainSeq: row.chainSeq }),
        ...(row.hash === null ? {} : { hash: row.hash }),
      }));
    },
    insert: (entries) => insertAudit(database.db, entries),
  };
}

export function createAuditChainStore({ database }: { readonly database: Database }): AuditChainStore {
  return {
    extend: (limit, link) =>
      database.transact(async (tx) => {
        const [head] = await tx.select().from(auditHead).for('update', { skipLocked: true });
        if (head === undefined) return 0;
        const { rows } = await tx.execute<UnchainedRow>(sql`
          SELECT id::float8 AS id, at_ms::float8 AS at_ms, actor, action, target, outcome, correlation_id, txn, detail
            FROM hub.audit_log WHERE chain_seq IS NULL ORDER BY id LIMIT ${limit}`);
        if (rows.length === 0) return 0;
        let { chainSeq, hash } = head;
        const chained = rows.map((row) => {
          chainSeq += 1;
          hash = link(hash, chainSeq, unchainedOf(row));
          return { id: row.id, chainSeq, hash };
        });
        await writeChain(tx, chained);
        await tx.update(auditHead).set({ chainSeq, hash });
        return rows.length;
      }),

    async head() {
      const [head] = await database.db.select().from(auditHead);
      if (head === undefined) throw new Error('hub.audit_head has no row');
      return { chainSeq: head.chainSeq, hash: head.hash };
    },

    async unchained() {
      const { rows } = await database.pool.query<{ waiting: string; oldest: string | null }>(
        'SELECT count(*) AS waiting, min(at_ms) AS oldest FROM hub.audit_log WHERE chain_seq IS NULL',
      );
      const [row] = rows;
      const oldest = row?.oldest ?? null;
      return { count: Number(row?.waiting ?? 0), ...(oldest === null ? {} : { oldestAtMs: Number(oldest) }) };
    },

    async read(afterChainSeq, limit) {
      const rows = await database.db
        .select()
        .from(auditLog)
        .where(gt(auditLog.chainSeq, afterChainSeq))
        .orderBy(asc(auditLog.chainSeq))
        .limit(limit);
      return rows.flatMap((row): readonly ChainedRow[] =>
        row.chainSeq === null
          ? []
          : [{ ...toAuditRow(row), chainSeq: row.chainSeq, hash: row.hash ?? new Uint8Array() }],
      );
    },
  };
}

type UnchainedRow = Pick<AuditRow, 'id' | 'actor' | 'action' | 'target' | 'outcome' | 'detail'> & {
  readonly at_ms: Millis;
  readonly correlation_id: string | null;
  readonly txn: string | null;
};

const unchainedOf = ({
  at_ms: atMs,
  correlation_id: correlationId,
  txn,
  ...row
}: UnchainedRow): AuditRow => ({
  ...row,
  atMs,
  ...(correlationId === null ? {} : { correlationId }),
  ...(txn === null ? {} : { txn }),
});

type ChainedId = { readonly id: number; readonly chainSeq: number; readonly hash: Uint8Array };

async function writeChain(tx: Statements, chained: readonly ChainedId[]): Promise<void> {
  const hashes = chained.map(({ hash }) => Buffer.from(hash).toString('hex'));
  await tx.execute(sql`
    UPDATE hub.audit_log AS a SET chain_seq = c.chain_seq, hash = decode(c.hash, 'hex')
    FROM unnest(
      ${sql.param(chained.map(({ id }) => id))}::bigint[],
      ${sql.param(chained.map(({ chainSeq }) => chainSeq))}::bigint[],
      ${sql.param(hashes)}::text[]
    ) AS c (id, chain_seq, hash)
    WHERE a.id = c.id`);
}

function conditions({ actor, action, target, txn, signalId, outcome }: AuditFilter): (SQL | undefined)[] {
  return [
    actor === undefined ? undefined : eq(auditLog.actor, actor),
    action === undefined ? undefined : eq(auditLog.action, action),
    target === undefined ? undefined : eq(auditLog.target, target),
    txn === undefined ? undefined : and(isNotNull(auditLog.txn), eq(auditLog.txn, txn)),
    outcome === undefined ? undefined : eq(auditLog.outcome, outcome),
    signalId === undefined
      ? undefined
      : or(eq(auditLog.target, signalId), sql`${auditLog.detail}->>'signal_id' = ${signalId}`),
  ];
}

function toAuditRow(row: typeof auditLog.$inferSelect): AuditRow {
  return {
    id: row.id,
    atMs: row.atMs,
    actor: row.actor,
    action: row.action,
    target: row.target,
    outcome: row.outcome,
    ...(row.correlationId === null ? {} : { correlationId: row.correlationId }),
    ...(row.txn === null ? {} : { txn: row.txn }),
    detail: row.detail,
  };
}

/** How `JSON.stringify` writes U+0000 and half a surrogate pair, which Postgres does not store; a text may also say so. */
const unstorable = /\\u(?:0000|d[89a-f])/;

/** JSON of what may hold anything: the replacement character stands for what cannot be stored. */
function storableText(value: Json): string {
  const text = JSON.stringify(value);
  return unstorable.test(text) ? JSON.stringify(storableJson(value)) : text;
}

const storable = (text: string): string => Buffer.from(text).toString().replaceAll('\u0000', '\uFFFD');

function storableJson(value: Json): Json {
  if (typeof value === 'string') return storable(value);
  if (Array.isArray(value)) return value.map(storableJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [storable(name), storableJson(member)]),
  );
}

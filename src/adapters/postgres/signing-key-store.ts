import { and, desc, eq, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import type { Announcer, AuditEntry } from '../../pipeline/ports.ts';
import {
  type KeyPurpose,
  keysListedMax,
  type NewSigningKey,
  type SigningKey,
  type SigningKeyStore,
} from '../../transmitter/key-ports.ts';
import type { By } from '../../transmitter/ports.ts';
import type { Sealer } from '../system/sealer.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { signingKeys } from './schema-signing-keys.ts';

/** Rows that one statement touches. */
const ROWS_MAX = 1_000;

export function createSigningKeyStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  /** What its keys sign; of the others it knows nothing. */
  readonly purpose: KeyPurpose;
  /** Under a key of this purpose. */
  readonly sealer: Sealer;
}): SigningKeyStore {
  const { database, announcer, purpose, sealer } = options;
  const isOurs = eq(signingKeys.purpose, purpose);
  return {
    async list() {
      const rows = await database.db
        .select()
        .from(signingKeys)
        .where(isOurs)
        .orderBy(desc(isNull(signingKeys.retiredAtMs)), desc(signingKeys.publishedAtMs))
        .limit(keysListedMax);
      return rows.map(toSigningKey).sort(byAge);
    },

    async privateKeyOf(kid) {
      const [row] = await database.db
        .select({ sealed: signingKeys.privateSealed })
        .from(signingKeys)
        .where(and(isOurs, eq(signingKeys.kid, kid)));
      return row === undefined || row.sealed === null ? undefined : sealer.open(row.sealed, contextOf(kid));
    },

    async add(key, removesOlder, by) {
      const removed = await database.transact(async (tx) => {
        const added = await tx
          .insert(signingKeys)
          .values({ ...toRow(key, sealer), purpose })
          .onConflictDoNothing()
          .returning({ kid: signingKeys.kid });
        if (added.length === 0) return undefined;
        const older = removesOlder ? await removeOlder(tx, purpose, key, by) : [];
        await insertAudit(tx, [publishedEntry(key, by), ...older.map((kid) => removedEntry(kid, key, by))]);
        return older;
      });
      if (removed !== undefined) announcer.announce('keys');
      return removed;
    },

    async retireSuperseded(supersededBeforeMs, by) {
      const kids = await database.transact(async (tx) => {
        const retired = await retireSuperseded(tx, purpose, supersededBeforeMs, by);
        await insertAudit(
          tx,
          retired.map((kid) => ({ ...by, action: 'key.retired', target: kid, outcome: 'done' })),
        );
        return retired;
      });
      if (kids.length > 0) announcer.announce('keys');
      return kids;
    },

    async forget(retiredBeforeMs) {
      await database.db
        .delete(signingKeys)
        .where(and(isOurs, isNotNull(signingKeys.retiredAtMs), lt(signingKeys.retiredAtMs, retiredBeforeMs)));
    },
  };
}

/** What they signed and nobody has taken yet is signed anew. Rows that somebody is at are not waited for. */
async function removeOlder(
  tx: Statements,
  purpose: KeyPurpose,
  { algorithm, generation }: NewSigningKey,
  by: By,
): Promise<readonly string[]> {
  const rows = await tx
    .update(signingKeys)
    .set({ retiredAtMs: by.atMs, privateSealed: null })
    .where(
      and(
        eq(signingKeys.purpose, purpose),
        eq(signingKeys.algorithm, algorithm),
        lt(signingKeys.generation, generation),
        isNull(signingKeys.retiredAtMs),
      ),
    )
    .returning({ kid: signingKeys.kid });
  const kids = rows.map(({ kid }) => kid);
  for (let touched = ROWS_MAX; touched === ROWS_MAX; ) {
    const { rowCount } = await tx.execute(sql`
      WITH signed AS (
        SELECT seq FROM hub.deliveries WHERE state = 'pending' AND kid = ANY(${sql.param(kids)}::text[])
        ORDER BY seq LIMIT ${ROWS_MAX} FOR UPDATE SKIP LOCKED
      )
      UPDATE hub.deliveries AS d SET compact = NULL, kid = NULL FROM signed WHERE d.seq = signed.seq`);
    touched = rowCount ?? 0;
  }
  return kids;
}

async function retireSuperseded(
  tx: Statements,
  purpose: KeyPurpose,
  supersededBeforeMs: number,
  { atMs }: By,
): Promise<readonly string[]> {
  const { rows } = await tx.execute<{ kid: string }>(sql`
    UPDATE hub.signing_keys AS k SET retired_at_ms = ${atMs}, private_sealed = NULL
    WHERE k.retired_at_ms IS NULL AND k.purpose = ${purpose}
      AND EXISTS (
        SELECT 1 FROM hub.signing_keys AS n
        WHERE n.purpose = k.purpose AND n.algorithm = k.algorithm AND n.generation > k.generation
          AND n.signs_from_ms <= ${supersededBeforeMs} AND n.retired_at_ms IS NULL
      )
      AND NOT EXISTS (SELECT 1 FROM hub.deliveries AS d WHERE d.state = 'pending' AND d.kid = k.kid)
    RETURNING k.kid`);
  return rows.map(({ kid }) => kid);
}

/** A row that was moved to another kid does not open. */
const contextOf = (kid: string): string => `signing-key ${kid}`;

function toRow(key: NewSigningKey, sealer: Sealer) {
  const { privateKey, ...row } = key;
  return { ...row, privateSealed: sealer.seal(privateKey, contextOf(key.kid)) };
}

const toSigningKey = (row: typeof signingKeys.$inferSelect): SigningKey => ({
  kid: row.kid,
  algorithm: row.algorithm,
  generation: row.generation,
  publicJwk: row.publicJwk,
  publishedAtMs: row.publishedAtMs,
  signsFromMs: row.signsFromMs,
  ...(row.retiredAtMs === null ? {} : { retiredAtMs: row.retiredAtMs }),
});

const byAge = (one: SigningKey, other: SigningKey): number =>
  one.algorithm === other.algorithm
    ? one.generation - other.generation
    : one.algorithm < other.algorithm
      ? -1
      : 1;

const publishedEntry = (key: NewSigningKey, by: By): AuditEntry => ({
  ...by,
  action: 'key.published',
  target: key.kid,
  outcome: 'done',
  detail: { algorithm: key.algorithm, generation: key.generation, signs_from_ms: key.signsFromMs },
});

const removedEntry = (kid: string, { kid: replacedBy }: NewSigningKey, by: By): AuditEntry => ({
  ...by,
  action: 'key.removed',
  target: kid,
  outcome: 'done',
  detail: { because: 'compromised', replaced_by: replacedBy },
});

import { createScheduler } from '../src/adapters/bullmq/scheduler.ts';
import { type Database, openDatabase } from '../src/adapters/postgres/database.ts';
import { issuer } from './entries.ts';
import type { Storage } from './storages.ts';

/** Of one statement: each is a transaction. */
const rowsPerStatement = 50_000;
const hourMs = 3_600_000;

/**
 * Fills the database of a hub that does not run with live entries, in the mixture of `someEntries`, and with jobs that
 * are due in an hour. The feed's head says what they add up to; its log begins after them, as after a long life.
 */
export async function seed(
  storage: Storage,
  dataDir: string,
  counts: { readonly entries: number; readonly jobs: number },
  progress: (text: string) => void,
): Promise<void> {
  const database = await openDatabase({
    databaseUrl: storage.databaseUrl,
    dataDir,
    onError: (error) => progress(`the database: ${error.message}`),
  });
  try {
    await putEntries(database, counts.entries, progress);
    await putJobs(database, counts.jobs);
  } finally {
    await database.close();
  }
}

async function putEntries(
  database: Database,
  count: number,
  progress: (text: string) => void,
): Promise<void> {
  const pool = database.openPool({ connectionsMax: 1, statementTimeoutMs: 0 });
  try {
    for (let from = 1; from <= count; from += rowsPerStatement) {
      const to = Math.min(count, from + rowsPerStatement - 1);
      await pool.query(entriesSql, [from, to, Date.now(), issuer]);
      if (to % (10 * rowsPerStatement) === 0)
        progress(`${to.toLocaleString('en')} entries are in the database`);
    }
    await pool.query(headSql, [count]);
    await pool.query('ANALYZE hub.revocations');
  } finally {
    await pool.end();
  }
}

async function putJobs(database: Database, count: number): Promise<void> {
  const scheduler = await createScheduler({
    database,
    tasks: { 'bench-wait': { run: async () => undefined } },
    nowMs: Date.now,
    onError: () => undefined,
  });
  const dueAtMs = Date.now() + hourMs;
  for (let number = 0; number < count; number += 1) await scheduler.at('bench-wait', `${number}`, dueAtMs);
  await scheduler.close();
}

const thumbprint = `rtrim(translate(encode(sha256(convert_to(i::text, 'UTF8')), 'base64'), '+/', '-_'), '=')`;

/** $1 to $2: sequence numbers; $3: now in milliseconds; $4: the issuer. */
const entriesSql = `
  INSERT INTO hub.revocations (id, epoch, seq, committed_at_ms, match, reach, effect, reason, merge_key, signal_id,
                               source_id, cause, subject_key, put_at_ms)
  SELECT 'rev_01JD8YJ4G0' || upper(substr(md5(i::text), 1, 16)), h.epoch, i, $3::bigint,
         CASE WHEN i % 20 < 6 THEN jsonb_build_object('iss', $4::text, 'client_id', 'agent-' || i)
              WHEN i % 20 < 11 THEN jsonb_build_object('iss', $4::text, 'sub', gen_random_uuid()::text)
              WHEN i % 20 < 15 THEN jsonb_build_object('jkt', ${thumbprint})
              WHEN i % 20 < 18 THEN jsonb_build_object('iss', $4::text, 'jti', gen_random_uuid()::text)
              ELSE jsonb_build_object('iss', $4::text, 'sid', gen_random_uuid()::text) END,
         'chain', 'deny', 'credential-compromise', sha256(convert_to(i::text, 'UTF8')),
         'sig_01JD8YJ4G0' || upper(substr(md5(i::text), 17, 16)), 'bench', 'credential-compromise', 'seed-' || i, $3::bigint
    FROM generate_series($1::bigint, $2::bigint) AS i, hub.feed_head h`;

/** One of the four big-endian words of a SHA-256. */
const lane = (number: number) =>
  `sum(('x' || substr(encode(hash, 'hex'), ${8 * number + 1}, 8))::bit(32)::bigint)`;

/** The digest as the feed itself would have summed it up. $1: the last sequence number. */
const headSql = `
  UPDATE hub.feed_head SET seq = $1, digest = ARRAY[
           (lane0 % 4294967296)::bigint, (lane1 % 4294967296)::bigint,
           (lane2 % 4294967296)::bigint, (lane3 % 4294967296)::bigint]
    FROM (
      SELECT ${lane(0)} AS lane0, ${lane(1)} AS lane1, ${lane(2)} AS lane2, ${lane(3)} AS lane3
        FROM (SELECT sha256(convert_to(id || epoch || '-' || seq, 'UTF8')) AS hash FROM hub.revocations) hashes
    ) sums`;

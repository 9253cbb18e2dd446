import type { ChildProcess } from 'node:child_process';
import { createHash, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts';
import { startHubProcess } from '../support/a-hub-process.ts';
import { embeddedTemplate } from '../support/databases.ts';

/** `ROUNDS=500` by hand. */
const rounds = Number(process.env['ROUNDS'] ?? 20);
const postersAtOnce = 16;
const acknowledgedPerRound = { least: 20, most: 60 };

type Said = { readonly id: string; readonly subject: { readonly iss: string; readonly client_id: string } };
type Acknowledged = Said & {
  readonly signalId: string;
  readonly revocationId: string;
  readonly position: string;
};
type Answer = { signal_id: string; duplicate: boolean; revocations: { id: string; position: string }[] };

let dataDir: string;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-kill-'));
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

async function post(url: string, { id, subject }: Said): Promise<Answer | undefined> {
  const token = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim();
  try {
    const response = await fetch(`${url}/v1/signals`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ event: 'account-disabled', subject, id }),
    });
    return response.status === 202 ? ((await response.json()) as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** Posts until the hub is gone, which is some moment after so many were acknowledged. */
async function loadUntilKilled(child: ChildProcess, url: string) {
  const acknowledged: Acknowledged[] = [];
  const unanswered: Said[] = [];
  const fatal = randomInt(acknowledgedPerRound.least, acknowledgedPerRound.most);
  const gone = once(child, 'exit');
  const poster = async () => {
    while (child.exitCode === null && child.signalCode === null && !child.killed) {
      const said = { id: randomUUID(), subject: { iss: 'https://idp.example', client_id: randomUUID() } };
      const answer = await post(url, said);
      const [entry] = answer?.revocations ?? [];
      if (answer === undefined || entry === undefined) unanswered.push(said);
      else
        acknowledged.push({
          ...said,
          signalId: answer.signal_id,
          revocationId: entry.id,
          position: entry.position,
        });
      if (acknowledged.length === fatal) setTimeout(() => child.kill('SIGKILL'), randomInt(20));
    }
  };
  await Promise.all([...Array.from({ length: postersAtOnce }, poster), gone]);
  return { acknowledged, unanswered };
}

it(`DESIGN §14: what was answered 202 survives kill -9, and positions stay gapless (${rounds} rounds)`, {
  timeout: rounds * 60_000,
}, async () => {
  const acknowledged: Acknowledged[] = [];
  const unanswered: Said[] = [];
  for (let round = 0; round < rounds; round++) {
    const { child, url } = await startHubProcess({ DATA_DIR: dataDir });
    const [again] = unanswered;
    if (again !== undefined) await post(url, again);
    const load = await loadUntilKilled(child, url);
    acknowledged.push(...load.acknowledged);
    unanswered.push(...load.unanswered);
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(rounds * acknowledgedPerRound.least);
  await withDatabase(async (database) => {
    expect(await lostOf(database, acknowledged)).toEqual([]);
    await expectWholeFeed(database);
  });
});

async function withDatabase(work: (database: Database) => Promise<void>): Promise<void> {
  const fail = (error: Error) => {
    throw error;
  };
  const database = await openDatabase({ dataDir, onError: fail });
  try {
    await work(database);
  } finally {
    await database.close();
  }
}

/** Acknowledged signals that are not there with their entry at its position. */
async function lostOf(
  database: Database,
  acknowledged: readonly Acknowledged[],
): Promise<readonly Acknowledged[]> {
  const { rows } = await database.pool.query<{
    signal: string;
    external: string;
    revocation: string;
    position: string;
  }>(`
    SELECT s.id AS signal, s.external_id AS external, r.id AS revocation, l.epoch || '-' || l.seq AS position
      FROM hub.signals s JOIN hub.revocations r ON r.signal_id = s.id AND r.state = 'live'
      JOIN hub.feed_log l ON l.revocation_id = r.id AND l.seq = r.seq`);
  const kept = new Set(rows.map((row) => [row.signal, row.external, row.revocation, row.position].join()));
  return acknowledged.filter(
    (one) => !kept.has([one.signalId, one.id, one.revocationId, one.position].join()),
  );
}

/** Gapless, chained, up to the head, each signal once with all that belongs to it. */
async function expectWholeFeed(database: Database): Promise<void> {
  const { rows: log } = await database.pool.query<{ seq: string; said: string; check: string }>(`
    SELECT seq, seq || op || revocation_id || body AS said, encode(check_value, 'hex') AS check FROM hub.feed_log ORDER BY seq`);
  let check = Buffer.alloc(8);
  for (const [index, row] of log.entries()) {
    expect(Number(row.seq)).toBe(index + 1);
    check = createHash('sha256').update(check).update(row.said).digest().subarray(0, 8);
    expect(row.check).toBe(check.toString('hex'));
  }
  const { rows: counts } = await database.pool.query(`
    SELECT (SELECT seq::int FROM hub.feed_head) AS head, (SELECT count(*)::int FROM hub.signals) AS signals,
           (SELECT count(*)::int FROM hub.revocations WHERE seq > 0) AS placed, (SELECT count(*)::int FROM hub.revocations) AS entries,
           (SELECT count(*)::int FROM hub.audit_log WHERE action = 'signal.accepted') AS audited`);
  const head = log.length;
  expect(counts).toEqual([{ head, signals: head, placed: head, entries: head, audited: head }]);
}

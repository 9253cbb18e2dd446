import { count, desc, sql } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { ownIssuers } from './schema-clients.ts';
import { streams } from './schema-transmitter.ts';

/** Former names that are remembered; each costs a look-up with every access token of ours. */
const formerMax = 100;

export type AskedIssuer = {
  readonly url: string;
  /** Receivers of streams may be told of it: any, or only one that was named. */
  readonly accepted: string | boolean;
  readonly atMs: Millis;
};

/**
 * Takes the name that the hub is started with.
 *
 * @returns the names that it had before, the latest first.
 * @throws Problem `invalid-configuration` when its streams know it by another name and nobody accepted this one.
 */
export function takeIssuer(database: Database, asked: AskedIssuer): Promise<readonly string[]> {
  return database.transact(async (tx) => {
    await tx.execute(sql`LOCK TABLE hub.own_issuers IN SHARE ROW EXCLUSIVE MODE`);
    const names = await tx
      .select()
      .from(ownIssuers)
      .orderBy(desc(ownIssuers.sinceMs))
      .limit(1 + formerMax);
    const before = names[0];
    if (before?.url === asked.url) return names.slice(1).map(({ url }) => url);
    if (before !== undefined) await change(tx, before.url, asked);
    // Later than the name before it, whatever the clock of this node says.
    const sinceMs = Math.max(asked.atMs, 1 + (before?.sinceMs ?? 0));
    const row = { url: asked.url, sinceMs };
    await tx.insert(ownIssuers).values(row).onConflictDoUpdate({ target: ownIssuers.url, set: row });
    return names.map(({ url }) => url).filter((url) => url !== asked.url);
  });
}

async function change(tx: Statements, before: string, { url, accepted, atMs }: AskedIssuer): Promise<void> {
  const [counted] = await tx.select({ all: count() }).from(streams);
  const known = counted?.all ?? 0;
  if (known > 0 && accepted !== true && accepted !== url) throw wouldBeStranger(before, url, known);
  const detail = { before, streams: known };
  await insertAudit(tx, [
    { atMs, actor: 'hub', action: 'issuer.changed', target: url, outcome: 'done', detail },
  ]);
}

const wouldBeStranger = (before: string, url: string, known: number): Problem =>
  new Problem(
    'invalid-configuration',
    `The hub is ${before} to the receivers of ${known} ${known === 1 ? 'stream' : 'streams'}, and would be ${url} from now on: they would refuse what it sends.`,
    {
      hint: `Start it as before (PUBLIC_URL=${before}), or have the receivers trust the new issuer (docs/streams.md) and start it once with --accept-new-issuer or ACCEPT_NEW_ISSUER=${url}.`,
    },
  );

import { asc, count, eq } from 'drizzle-orm';
import { callerIssuersMax, type CallerIssuerStore } from '../../authorization/ports.ts';
import { Problem } from '../../core/problem.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { doneEntry, insertAudit } from './audit-store.ts';
import type { Database, Statements } from './database.ts';
import { callerIssuers } from './schema-clients.ts';

export function createCallerIssuerStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): CallerIssuerStore {
  const { database, announcer } = options;
  return {
    async list() {
      const rows = await database.db
        .select()
        .from(callerIssuers)
        .orderBy(asc(callerIssuers.url))
        .limit(callerIssuersMax);
      return rows.map(({ settings }) => settings);
    },

    async put(settings, change) {
      const { url } = settings;
      const done = await database.transact(async (tx) => {
        const [before] = await tx.select().from(callerIssuers).where(eq(callerIssuers.url, url));
        if (before === undefined) await refuseMore(tx);
        const row = { url, settings, updatedAtMs: change.atMs };
        await tx
          .insert(callerIssuers)
          .values(row)
          .onConflictDoUpdate({ target: callerIssuers.url, set: row });
        const action = before === undefined ? 'caller-issuer.trusted' : 'caller-issuer.replaced';
        await insertAudit(tx, [doneEntry(action, url, change, { ...settings })]);
        return before === undefined ? ('created' as const) : ('replaced' as const);
      });
      announcer.announce('tokens');
      return done;
    },

    async remove(url, change) {
      const removed = await database.transact(async (tx) => {
        const rows = await tx.delete(callerIssuers).where(eq(callerIssuers.url, url)).returning();
        if (rows.length > 0) await insertAudit(tx, [doneEntry('caller-issuer.removed', url, change)]);
        return rows.length > 0;
      });
      announcer.announce('tokens');
      return removed;
    },
  };
}

async function refuseMore(tx: Statements): Promise<void> {
  const [counted] = await tx.select({ all: count() }).from(callerIssuers);
  if ((counted?.all ?? 0) < callerIssuersMax) return;
  throw new Problem('conflict', `${callerIssuersMax} issuers are trusted about callers already.`, {
    hint: 'Remove those that no client is named by any more.',
  });
}

import { asc, count, eq } from 'drizzle-orm';
import type { Change, IssuerStore } from '../../issuers/ports.ts';
import { issuersMax } from '../../issuers/ports.ts';
import { Problem } from '../../core/problem.ts';
import type { Announcer, AuditEntry } from '../../pipeline/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { issuers } from './schema.ts';

export function createIssuerStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): IssuerStore {
  const { database, announcer } = options;
  return {
    async list() {
      const rows = await database.db.select().from(issuers).orderBy(asc(issuers.url)).limit(issuersMax);
      return rows.map((row) => row.settings);
    },

    async put(settings, change) {
      const done = await database.transact(async (tx) => {
        const [before] = await tx
          .select({ url: issuers.url })
          .from(issuers)
          .where(eq(issuers.url, settings.url));
        if (!before) {
          const [counted] = await tx.select({ all: count() }).from(issuers);
          if ((counted?.all ?? 0) >= issuersMax) {
            throw new Problem('conflict', `There are ${issuersMax} issuers already.`, {
              hint: 'They travel whole to every point: remove those that are no longer used.',
            });
          }
        }
        const row = { url: settings.url, settings, updatedAtMs: change.atMs };
        await tx.insert(issuers).values(row).onConflictDoUpdate({ target: issuers.url, set: row });
        await insertAudit(tx, [
          audit(change, before ? 'issuer.replaced' : 'issuer.added', settings.url, { ...settings }),
        ]);
        return before ? ('replaced' as const) : ('created' as const);
      });
      announcer.announce('configuration');
      return done;
    },

    async remove(url, change) {
      const removed = await database.transact(async (tx) => {
        const rows = await tx.delete(issuers).where(eq(issuers.url, url)).returning({ url: issuers.url });
        if (rows.length > 0) await insertAudit(tx, [audit(change, 'issuer.removed', url, {})]);
        return rows.length > 0;
      });
      if (removed) announcer.announce('configuration');
      return removed;
    },
  };
}

const audit = (change: Change, action: string, target: string, detail: AuditEntry['detail']): AuditEntry => ({
  atMs: change.atMs,
  actor: change.actor,
  action,
  target,
  outcome: 'done',
  ...(change.correlationId === undefined ? {} : { correlationId: change.correlationId }),
  ...(detail === undefined ? {} : { detail }),
});

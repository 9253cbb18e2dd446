import { and, asc, count, eq, isNull } from 'drizzle-orm';
import { Problem } from '../../core/problem.ts';
import { pointName } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import { type Point, pointsMax, type PointStore } from '../../points/ports.ts';
import { insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { apiTokens, points } from './schema.ts';

export function createPointStore(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
}): PointStore {
  const { database, announcer } = options;
  return {
    async list() {
      const rows = await database.db.select().from(points).orderBy(asc(points.name));
      return rows.map(toPoint);
    },

    async add(point, audit) {
      await database.transact(async (tx) => {
        const [known] = await tx.select({ count: count() }).from(points);
        if ((known?.count ?? 0) >= pointsMax)
          throw new Problem('conflict', `There are ${pointsMax} points already.`);
        const added = await tx
          .insert(points)
          .values({
            name: point.name,
            expect: point.expect,
            ephemeral: point.ephemeral,
            createdAtMs: point.createdAtMs,
          })
          .onConflictDoNothing()
          .returning({ name: points.name });
        if (added.length === 0) {
          throw new Problem('conflict', `There is a point ${point.name} already, or there was one.`, {
            hint: 'Choose another name; POST /v1/tokens makes a further token for a point.',
          });
        }
        await insertAudit(tx, [audit]);
      });
      announcer.announce('receipts');
    },

    async retire(name, atMs, audit) {
      const retired = await database.transact(async (tx) => {
        const rows = await tx
          .update(points)
          .set({ retiredAtMs: atMs })
          .where(and(eq(points.name, name), isNull(points.retiredAtMs)))
          .returning({ name: points.name });
        if (rows.length === 0) return false;
        await tx
          .update(apiTokens)
          .set({ revokedAtMs: atMs })
          .where(and(eq(apiTokens.point, name), isNull(apiTokens.revokedAtMs)));
        await insertAudit(tx, [audit]);
        return true;
      });
      if (retired) {
        announcer.announce('tokens');
        announcer.announce('receipts');
      }
      return retired;
    },
  };
}

const toPoint = (row: typeof points.$inferSelect): Point => ({
  name: pointName(row.name),
  expect: row.expect,
  ephemeral: row.ephemeral,
  createdAtMs: row.createdAtMs,
  ...(row.retiredAtMs === null ? {} : { retiredAtMs: row.retiredAtMs }),
});

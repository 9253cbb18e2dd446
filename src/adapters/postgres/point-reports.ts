import { and, desc, eq, getTableColumns, lt } from 'drizzle-orm';
import { pointName } from '../../core/vocabulary.ts';
import type { ReportStore } from '../../points/ports.ts';
import type { Database } from './database.ts';
import { reports } from './schema.ts';

export function createReportStore({ database }: { readonly database: Database }): ReportStore {
  return {
    async write(rows) {
      if (rows.length === 0) return 0;
      const { rowCount } = await database.db
        .insert(reports)
        .values(rows.map(({ said, ...report }) => ({ ...report, saidSha256: said })))
        .onConflictDoNothing({ target: reports.saidSha256 });
      return rowCount ?? 0;
    },
    async list({ point, kind, before, limit }) {
      const { saidSha256: _, ...shown } = getTableColumns(reports);
      const rows = await database.db
        .select(shown)
        .from(reports)
        .where(
          and(
            point === undefined ? undefined : eq(reports.point, point),
            kind === undefined ? undefined : eq(reports.kind, kind),
            before === undefined ? undefined : lt(reports.id, before),
          ),
        )
        .orderBy(desc(reports.id))
        .limit(limit);
      return rows.map((row) => ({ ...row, point: pointName(row.point) }));
    },
  };
}

import { sql } from 'drizzle-orm';
import { describe, expect, test } from 'vitest';
import { forEachDatabase } from '../support/databases.ts';

forEachDatabase('database', (fixture) => {
  test('what was committed is there after a restart', async () => {
    await fixture.database.transact(async (tx) => {
      await tx.execute(sql`CREATE TABLE hub.kept (n integer)`);
      await tx.execute(sql`INSERT INTO hub.kept VALUES (42)`);
    });
    await fixture.reopen();
    const { rows } = await fixture.database.db.execute(sql`SELECT n FROM hub.kept`);
    expect(rows).toEqual([{ n: 42 }]);
  });
});

/** Commits pairs of rows to the embedded database, eight at a time, and says the number of each that was committed. */
import { sql } from 'drizzle-orm';
import { openDatabase } from '../../src/adapters/postgres/database.ts';
import { lockDataDir } from '../../src/adapters/system/data-dir-lock.ts';
import { isProblem } from '../../src/core/problem.ts';

const WRITERS = 8;
const dataDir = process.argv[2] ?? '';

await lockDataDir(dataDir);
const database = await openDatabase({
  dataDir,
  onError: (error) => {
    throw error;
  },
});
await database.pool.query('CREATE TABLE IF NOT EXISTS public.written (n integer NOT NULL)');
const { rows } = await database.pool.query<{ next: number }>(
  'SELECT coalesce(max(n), 0) + 1 AS next FROM public.written',
);
let next = rows[0]?.next ?? 1;

async function write(): Promise<never> {
  for (;;) {
    const n = next++;
    try {
      await database.transact(async (tx) => {
        await tx.execute(sql`INSERT INTO public.written VALUES (${n})`);
        await tx.execute(sql`INSERT INTO public.written VALUES (${n})`);
      });
    } catch (error) {
      if (isProblem(error) && error.code === 'storage-unavailable') continue;
      throw error;
    }
    process.stdout.write(`${n}\n`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, write));

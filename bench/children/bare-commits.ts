import { openDatabase, type Database } from '../../src/adapters/postgres/database.ts';
import { fileURLToPath } from 'node:url';
import { serveParent } from '../processes.ts';

/** The yardstick for durable signals: one row and one transaction for each, over the hub's own driver and pool. */
let database: Database | undefined;
let written = 0;

const emptyCluster = fileURLToPath(new URL('../../assets/empty-cluster.tar.gz', import.meta.url));

serveParent({
  async open({ dataDir, databaseUrl }: { dataDir: string; databaseUrl?: string }) {
    database = await openDatabase({ dataDir, databaseUrl, emptyCluster, onError: () => undefined });
    await database.pool.query('CREATE TABLE bare_signals (id text PRIMARY KEY, body text NOT NULL)');
  },
  /** So many at a time for so long; answers how many per second. */
  async run({ concurrency, forMs, body }: { concurrency: number; forMs: number; body: string }) {
    const pool = database?.pool;
    if (!pool) throw new Error('open first');
    const startedMs = performance.now();
    let done = 0;
    const one = async () => {
      while (performance.now() - startedMs < forMs) {
        written += 1;
        await pool.query('INSERT INTO bare_signals VALUES ($1, $2)', [`bare_${written}`, body]);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, one));
    return (done * 1_000) / (performance.now() - startedMs);
  },
  close: () => database?.close(),
});

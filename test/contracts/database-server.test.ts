import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/adapters/postgres/database.ts';
import { onlyOnServer } from '../support/databases.ts';
import { deferred } from '../support/deferred.ts';

const unavailable = { code: 'storage-unavailable' };
const tooSlow = { code: 'storage-timeout' };

const asInProduction = { patience: 1 };

onlyOnServer(
  'database server that fails',
  (fixture) => {
    /** Freezes the process behind one connection; it goes on when the test ends. */
    function freeze(pid: number): void {
      process.kill(pid, 'SIGSTOP');
      onTestFinished(() => void process.kill(pid, 'SIGCONT'));
    }

    test('frozen inside a transaction: unavailable, and the next transaction has another connection', async () => {
      const attempt = fixture.database.transact(async (tx) => {
        const { rows } = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
        freeze(rows[0]!.pid);
        await tx.execute(sql`SELECT 1`);
      });
      await expect(attempt).rejects.toMatchObject(unavailable);
      await fixture.database.transact((tx) => tx.execute(sql`SELECT 1`));
    });

    test('frozen at COMMIT: unavailable, never a success', async () => {
      const attempt = fixture.database.transact(async (tx) => {
        const { rows } = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
        freeze(rows[0]!.pid);
        return 'committed';
      });
      await expect(attempt).rejects.toMatchObject(unavailable);
    });

    test('frozen on every connection, again and again: no connection is lost to the pool', async () => {
      const frozen: number[] = [];
      onTestFinished(() => frozen.forEach((pid) => process.kill(pid, 'SIGCONT')));
      const attempts = Array.from({ length: 40 }, () =>
        fixture.database.transact(async (tx) => {
          const { rows } = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
          frozen.push(rows[0]!.pid);
          process.kill(rows[0]!.pid, 'SIGSTOP');
          await tx.execute(sql`SELECT 1`);
        }),
      );
      const outcomes = await Promise.allSettled(attempts);
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable });
      expect(frozen.length).toBeGreaterThan(1);
      await fixture.database.transact((tx) => tx.execute(sql`SELECT 1`));
    });

    test('a lock that another node holds: too slow', async () => {
      const { pool } = fixture.database;
      await pool.query('CREATE TABLE public.head (n integer); INSERT INTO public.head VALUES (1)');
      const other = await pool.connect();
      onTestFinished(() => other.release(true));
      await other.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
      await other.query('UPDATE public.head SET n = 2');
      const attempt = fixture.database.transact((tx) => tx.execute(sql`UPDATE public.head SET n = 3`));
      await expect(attempt).rejects.toMatchObject(tooSlow);
    });

    test('a statement that takes too long: too slow', async () => {
      const attempt = fixture.database.transact((tx) => tx.execute(sql`SELECT pg_sleep(60)`));
      await expect(attempt).rejects.toMatchObject(tooSlow);
    });

    test('connections cut by the server: the next transaction has a new one', async () => {
      const attempt = fixture.database.transact((tx) =>
        tx.execute(sql`SELECT pg_terminate_backend(pg_backend_pid())`),
      );
      await expect(attempt).rejects.toMatchObject(unavailable);
      await fixture.database.transact((tx) => tx.execute(sql`SELECT 1`));
    });

    test('after a lost connection the listener says that there may be a gap, and hears again', async () => {
      let gaps = 0;
      const [first, second, heard] = [deferred(), deferred(), deferred<string>()];
      onTestFinished(
        fixture.database.listen('hub_gap', {
          onNotification: heard.resolve,
          onGap: () => (++gaps === 1 ? first : second).resolve(),
        }),
      );
      await first.promise;
      await fixture.database.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'caep-hub listener'`,
      );
      await second.promise;
      await fixture.database.pool.query(`SELECT pg_notify('hub_gap', 'again')`);
      expect(await heard.promise).toBe('again');
    });

    test('a listener whose connection is frozen gets another', async () => {
      let gaps = 0;
      const [first, second] = [deferred(), deferred()];
      onTestFinished(
        fixture.database.listen('hub_frozen', {
          onNotification: () => undefined,
          onGap: () => (++gaps === 1 ? first : second).resolve(),
        }),
      );
      await first.promise;
      const { rows } = await fixture.database.pool.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'caep-hub listener'`,
      );
      freeze(rows[0]!.pid);
      await second.promise;
      expect(gaps).toBe(2);
    });

    test('several nodes hear each other', async () => {
      const other = await openDatabase(fixture.options);
      onTestFinished(other.close);
      const [held, heard] = [deferred(), deferred<string>()];
      other.listen('hub_nodes', { onNotification: heard.resolve, onGap: () => held.resolve() });
      await held.promise;
      await fixture.database.pool.query(`SELECT pg_notify('hub_nodes', 'hello')`);
      expect(await heard.promise).toBe('hello');
    });
  },
  asInProduction,
);

describe('a database that cannot be reached', () => {
  const options = { dataDir: '/nonexistent', onError: () => undefined };

  test('nobody listens there: unavailable, without the password in what is said', async () => {
    const databaseUrl = 'postgresql://hub:s3cret@127.0.0.1:1/hub';
    const problem = await openDatabase({ ...options, databaseUrl }).catch((error: unknown) => error);
    expect(problem).toMatchObject(unavailable);
    expect(JSON.stringify(problem) + String(problem)).not.toContain('s3cret');
  });

  test('it accepts and never says a word: unavailable', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const databaseUrl = `postgresql://hub@127.0.0.1:${port}/hub`;
    await expect(openDatabase({ ...options, databaseUrl })).rejects.toMatchObject(unavailable);
  });
});

import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { isProblem } from '../../src/core/problem.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deferred } from '../support/deferred.ts';

forEachDatabase('database', (fixture) => {
  beforeAll(async () => {
    await fixture.database.pool.query('CREATE TABLE public.notes (n integer PRIMARY KEY, text text)');
  });
  afterEach(async () => {
    await fixture.database.pool.query('TRUNCATE public.notes');
  });
  const insert = (n: number, text = '') => sql`INSERT INTO public.notes VALUES (${n}, ${text})`;
  const numbers = async (pool: Pool = fixture.database.pool) => {
    const { rows } = await pool.query<{ n: number }>('SELECT n FROM public.notes ORDER BY n');
    return rows.map(({ n }) => n);
  };

  test('what was committed is there after a restart', async () => {
    await fixture.database.transact((tx) => tx.execute(insert(42)));
    await fixture.reopen();
    expect(await numbers()).toEqual([42]);
  });

  test('a transaction whose work throws leaves nothing behind, and the connection serves on', async () => {
    const failure = new Error('no');
    const attempt = fixture.database.transact(async (tx) => {
      await tx.execute(insert(1));
      throw failure;
    });
    await expect(attempt).rejects.toBe(failure);
    expect(await numbers()).toEqual([]);
  });

  test('statements that are asked together leave in one write, and are answered in their order', async () => {
    const client = await fixture.database.pool.connect();
    onTestFinished(() => client.release());
    const { stream } = client.connection;
    const writes: string[] = [];
    for (const name of ['_write', '_writev'] as const) {
      const write = stream[name]?.bind(stream) as (...all: readonly unknown[]) => void;
      stream[name] = (...all: readonly unknown[]) => {
        writes.push(name);
        write(...all);
      };
    }
    const asked = [1, 2, 3].map((n) => client.query<{ n: number }>('SELECT $1::int AS n', [n]));
    const answers = await Promise.all(asked);
    expect(answers.map(({ rows }) => rows[0]?.n)).toEqual([1, 2, 3]);
    expect(writes).toEqual(['_writev']);
    await client.query('SELECT 4');
    expect(writes).toHaveLength(2);
  });

  test('a broken constraint is thrown as it is: no problem to retry', async () => {
    await fixture.database.transact((tx) => tx.execute(insert(1)));
    const again = fixture.database.transact((tx) => tx.execute(insert(1)));
    await expect(again).rejects.toSatisfy((error) => !isProblem(error));
    expect(await numbers()).toEqual([1]);
  });

  test('concurrent transactions stay apart: each sees its own rows only, whoever comes in between', async () => {
    const rounds = Array.from({ length: 40 }, (_, n) => n);
    const seen = await Promise.all(
      rounds.map((n) =>
        fixture.database
          .transact(async (tx) => {
            await tx.execute(insert(n));
            const { rows } = await tx.execute<{ mine: number }>(
              sql`SELECT count(*)::int AS mine FROM public.notes WHERE xmin::text = (txid_current() % (2^32)::bigint)::text`,
            );
            if (n % 4 === 0) throw new Error('rolled back');
            return rows[0]?.mine;
          })
          .catch((error: unknown) => String(error)),
      ),
    );
    expect(seen).toEqual(rounds.map((n) => (n % 4 === 0 ? 'Error: rolled back' : 1)));
    expect(await numbers()).toEqual(rounds.filter((n) => n % 4 !== 0));
  });

  test('concurrent statements with parameters larger than a packet get their own answers', async () => {
    const texts = Array.from({ length: 24 }, (_, n) => `${n}`.padEnd(200_000, '.'));
    const answers = await Promise.all(
      texts.map(async (text, n) => {
        const odd = `SELECT $1::text AS odd_${n}`;
        const even = `SELECT length($1::text) AS even_${n}`;
        const { rows } = await fixture.database.pool.query<Record<string, unknown>>(
          n % 2 === 1 ? odd : even,
          [text],
        );
        return rows[0]?.[n % 2 === 1 ? `odd_${n}` : `even_${n}`];
      }),
    );
    expect(answers).toEqual(texts.map((text, n) => (n % 2 === 1 ? text : text.length)));
  });

  test('whoever goes away inside a transaction is rolled back and holds up nobody', async () => {
    const client = await fixture.database.pool.connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO public.notes VALUES (7)');
    client.release(true);
    await fixture.database.transact((tx) => tx.execute(insert(7)));
    expect(await numbers()).toEqual([7]);
  });

  test('every failed transaction gives its connection back', async () => {
    for (let n = 0; n < 40; n++) {
      const attempt = fixture.database.transact((tx) => tx.execute(sql`SELECT 1 / 0`));
      await expect(attempt).rejects.toThrow('SELECT 1 / 0');
    }
    expect(await numbers()).toEqual([]);
  });

  test('text that Postgres cannot store fails alone', async () => {
    const attempt = fixture.database.transact((tx) => tx.execute(insert(1, 'a\u0000b')));
    await expect(attempt).rejects.toSatisfy((error) => !isProblem(error));
    await fixture.database.transact((tx) => tx.execute(insert(2)));
    expect(await numbers()).toEqual([2]);
  });

  describe('listen', () => {
    test('a notification sent in a transaction arrives when it commits, its payload whole', async () => {
      const heard: string[] = [];
      const held = deferred();
      const last = deferred();
      const stop = fixture.database.listen('hub_test "quoted"', {
        onNotification: (payload) => {
          heard.push(payload);
          if (payload === 'last') last.resolve();
        },
        onGap: () => held.resolve(),
      });
      onTestFinished(stop);
      await held.promise;
      const notify = (payload: string) => sql`SELECT pg_notify('hub_test "quoted"', ${payload})`;
      const undone = fixture.database.transact(async (tx) => {
        await tx.execute(notify('never'));
        throw new Error('undone');
      });
      await expect(undone).rejects.toThrow('undone');
      await fixture.database.transact((tx) => tx.execute(notify('é ☃')));
      await fixture.database.transact((tx) => tx.execute(notify('last')));
      await last.promise;
      expect(heard).toEqual(['é ☃', 'last']);
    });

    test('who stopped listening hears nothing more, the others do', async () => {
      const [held, alsoHeld, heard] = [deferred(), deferred(), deferred<string>()];
      const stop = fixture.database.listen('hub_both', {
        onNotification: () => heard.reject(new Error('still listens')),
        onGap: () => held.resolve(),
      });
      onTestFinished(
        fixture.database.listen('hub_both', {
          onNotification: heard.resolve,
          onGap: () => alsoHeld.resolve(),
        }),
      );
      await Promise.all([held.promise, alsoHeld.promise]);
      stop();
      await fixture.database.pool.query(`SELECT pg_notify('hub_both', 'x')`);
      expect(await heard.promise).toBe('x');
    });
  });
});

forEachDatabase(
  'database with the limits of time that it has',
  (fixture) => {
    test('a transaction left open in silence is ended, and the others go on', async () => {
      await fixture.database.pool.query('CREATE TABLE public.lines (n integer PRIMARY KEY)');
      const client = await fixture.database.pool.connect();
      const ended = deferred();
      client.on('error', () => undefined);
      client.on('end', () => ended.resolve());
      await client.query('BEGIN');
      await client.query('INSERT INTO public.lines VALUES (8)');
      await ended.promise;
      client.release(true);
      await vi.waitFor(
        () => fixture.database.transact((tx) => tx.execute(sql`INSERT INTO public.lines VALUES (8)`)),
        { timeout: 60_000, interval: 50 },
      );
      const { rows } = await fixture.database.pool.query('SELECT n FROM public.lines');
      expect(rows).toEqual([{ n: 8 }]);
    });
  },
  { patience: 2 },
);

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts';
import { EMBEDDED_POSTGRES_MAJOR } from '../../src/adapters/postgres/embedded.ts';
import { embeddedTemplate } from '../support/databases.ts';

const WRITER = join(import.meta.dirname, '../support/write-until-killed.ts');
/** How often the writer is killed; `ROUNDS=50 npx vitest run test/contracts/database-embedded` for more. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 4);
const WRITES_BEFORE_KILL = 60;
const WAL_MESSAGE_BYTES = 500_000;

async function aDataDir(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-embedded-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
  return dataDir;
}

async function open(dataDir: string, errors: Error[] = []): Promise<Database> {
  const onError = (error: Error) => void errors.push(error);
  const database = await openDatabase({ dataDir, onError });
  onTestFinished(database.close);
  return database;
}

describe('embedded database', () => {
  test('says what it is: durable as far as the process, Postgres of the major that its files are refused by', async () => {
    const database = await open(await aDataDir());
    expect(database).toMatchObject({ kind: 'embedded', durability: 'process' });
    const { rows } = await database.pool.query<{ server_version: string }>('SHOW server_version');
    expect(rows[0]?.server_version.split('.')[0]).toBe(EMBEDDED_POSTGRES_MAJOR);
  });

  test('kill -9 at random moments under load: nothing that was acknowledged is lost, and nothing is half there', async () => {
    const dataDir = await aDataDir();
    const acknowledged: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = acknowledged.length;
      const writer = spawn(process.execPath, ['--import', 'tsx', WRITER, dataDir], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      onTestFinished(() => void writer.kill('SIGKILL'));
      const killAfter = before + 1 + Math.floor(Math.random() * WRITES_BEFORE_KILL);
      await untilKilled(writer, acknowledged, killAfter);
      expect(acknowledged.length).toBeGreaterThan(before);
    }
    const database = await open(dataDir);
    const { rows } = await database.pool.query<{ n: number; pairs: number }>(
      'SELECT n, count(*)::int AS pairs FROM public.written GROUP BY n',
    );
    const found = new Map(rows.map(({ n, pairs }) => [n, pairs]));
    expect(acknowledged.filter((n) => found.get(n) !== 2)).toEqual([]);
    expect(rows.filter(({ pairs }) => pairs !== 2)).toEqual([]);
  });

  test('a panic of Postgres: unavailable meanwhile, then it is back by itself with all that was committed', async () => {
    const dataDir = await aDataDir();
    const errors: Error[] = [];
    const database = await open(dataDir, errors);
    await database.pool.query('CREATE TABLE public.kept AS SELECT 42 AS n');
    const [wal, away] = [join(dataDir, 'db/pg_wal'), join(dataDir, 'pg_wal.away')];
    renameSync(wal, away);
    const message = 'x'.repeat(WAL_MESSAGE_BYTES);
    const fillSegments = async () => {
      for (;;)
        await database.transact((tx) =>
          tx.execute(sql`SELECT pg_logical_emit_message(true, 'test', ${message})`),
        );
    };
    await expect(fillSegments()).rejects.toMatchObject({ code: 'storage-unavailable' });
    renameSync(away, wal);
    const { rows } = await vi.waitFor(() => database.pool.query('SELECT n FROM public.kept'), {
      timeout: 15_000,
    });
    expect(rows).toEqual([{ n: 42 }]);
    expect(errors.map(({ message }) => message)).toContain('The embedded database died and is started again');
  });

  test('files of another Postgres major are refused, unharmed, with what to run', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-embedded-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    mkdirSync(join(dataDir, 'db'));
    writeFileSync(join(dataDir, 'db/PG_VERSION'), '17\n');
    await expect(open(dataDir)).rejects.toMatchObject({
      code: 'data-dir-unusable',
      message: expect.stringContaining('Postgres 17'),
      hint: expect.stringContaining(`mv '${dataDir}/db' '${dataDir}/db.pg17'`),
    });
  });

  test('a first start unpacks its archive; one that was killed meanwhile leaves nothing to trip over', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-embedded-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    mkdirSync(join(dataDir, 'db.partial/base'), { recursive: true });
    writeFileSync(join(dataDir, 'db.partial/half-written'), '');
    const emptyCluster = join(dataDir, 'archive.tar.gz');
    execFileSync('tar', ['-czf', emptyCluster, '-C', await embeddedTemplate(), '.']);
    const database = await openDatabase({ dataDir, emptyCluster, onError: () => undefined });
    onTestFinished(database.close);
    const { rows } = await database.pool.query('SELECT name FROM hub.migrations LIMIT 1');
    expect(rows).toHaveLength(1);
    expect(existsSync(join(dataDir, 'db.partial'))).toBe(false);
    expect(existsSync(join(dataDir, 'db/half-written'))).toBe(false);
  });

  test('a data directory with a path longer than a socket may have', async () => {
    const deep = join(await aDataDir(), 'deep'.repeat(20), 'deeper'.repeat(20));
    mkdirSync(deep, { recursive: true });
    cpSync(await embeddedTemplate(), join(deep, 'db'), { recursive: true });
    const database = await open(deep);
    await expect(database.pool.query('SELECT 1')).resolves.toMatchObject({ rowCount: 1 });
  });

  test('with more patience a silent transaction is left alone for longer, too', async () => {
    const database = await openDatabase({
      dataDir: await aDataDir(),
      patience: 20,
      onError: () => undefined,
    });
    onTestFinished(database.close);
    const two = await database.transact(async (tx) => {
      await tx.execute(sql`SELECT 1`);
      await delay(2_500);
      const { rows } = await tx.execute<{ n: number }>(sql`SELECT 2 AS n`);
      return rows[0]?.n;
    });
    expect(two).toBe(2);
  });

  test('what a killed process leaves of sockets is gone after the next one has ended', async () => {
    const dataDir = await aDataDir();
    mkdirSync(join(dataDir, 'db.socket'));
    writeFileSync(join(dataDir, 'db.socket/.s.PGSQL.5432'), '');
    const database = await open(dataDir);
    await expect(database.pool.query('SELECT 1')).resolves.toMatchObject({ rowCount: 1 });
    await database.close();
    expect(existsSync(join(dataDir, 'db.socket'))).toBe(false);
  });

  test('speaks to clients that ask for encryption first, cancel, or send nonsense, and goes on', async () => {
    const database = await open(await aDataDir());
    const { host, port, user, database: name } = database.pool.options;
    const path = `${host}/.s.PGSQL.${port}`;
    const client = new Client({ host: host!, port: port!, user: user!, database: name! });
    await client.connect();
    await client.end();
    for (const bytes of [
      [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 1],
      [255, 255, 255, 255, 0, 3, 0, 0],
      [0, 0, 0, 8, 0, 2, 0, 0],
    ]) {
      expect(await said(path, Buffer.from(bytes))).toBe('');
    }
    expect(await said(path, Buffer.from([0, 0, 0, 8, 4, 210, 22, 47, 0, 0, 0, 8, 0, 2, 0, 0]))).toBe('N');
    await expect(database.pool.query('SELECT 1')).resolves.toMatchObject({ rowCount: 1 });
  });
});

async function untilKilled(writer: ChildProcess, acknowledged: number[], killAfter: number): Promise<void> {
  const ended = once(writer, 'exit');
  for await (const line of createInterface({ input: writer.stdout! })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === killAfter) writer.kill('SIGKILL');
  }
  await ended;
}

/** Everything that the other side says until it closes the connection. */
async function said(path: string, bytes: Buffer): Promise<string> {
  const socket = connect(path);
  const closed = once(socket, 'close');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write(bytes);
  await closed;
  return text;
}

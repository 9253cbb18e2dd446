import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { migrateScheduler } from '../../src/adapters/bullmq/on-postgres.ts';
import { type DatabaseOptions, openDatabase } from '../../src/adapters/postgres/database.ts';
import { migrate } from '../../src/adapters/postgres/migrate.ts';
import { findPostgresPrograms, type PostgresServer, startPostgresServer } from './postgres-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const MIGRATIONS = join(ROOT, 'migrations');
const EMPTY_CLUSTER = join(ROOT, 'assets/empty-cluster.tar.gz');
const TEMPLATE = 'hub_template';

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers where a suite finds a database of its own, or the built program; makes what that needs once, when first asked. */
    broker: string;
    postgresPrograms: string | undefined;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const programs = findPostgresPrograms();
  const directory = mkdtempSync(join(tmpdir(), 'caep-hub-test-'));
  let embedded: Promise<string> | undefined;
  let server: Promise<PostgresServer> | undefined;
  let program: Promise<string> | undefined;
  let databases = 0;

  async function answer(path: string): Promise<string> {
    if (path === '/program') return (program ??= builtProgram(directory));
    if (path === '/embedded') return (embedded ??= migratedCluster(directory));
    if (path !== '/server' || programs === undefined) throw new Error(`nobody has ${path}`);
    const { url } = await (server ??= migratedServer(programs, directory));
    databases += 1;
    await run(url('postgres'), `CREATE DATABASE suite_${databases} TEMPLATE ${TEMPLATE}`);
    return url(`suite_${databases}`);
  }

  const broker = createServer((request, response) => {
    answer(request.url ?? '').then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(broker, 'listening');
  const { port } = broker.address() as AddressInfo;
  project.provide('broker', `http://127.0.0.1:${port}`);
  project.provide('postgresPrograms', programs);

  return async () => {
    broker.close();
    await (await server)?.stop();
    rmSync(directory, { recursive: true, force: true });
  };
}

/** As it is packed: starting the sources themselves takes seconds longer, each time. */
async function builtProgram(directory: string): Promise<string> {
  const [within, outDir] = [join(directory, 'program'), join(directory, 'program/dist')];
  mkdirSync(within);
  for (const name of ['assets', 'migrations', 'node_modules', 'package.json']) {
    symlinkSync(join(ROOT, name), join(within, name));
  }
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', outDir]);
  return join(outDir, 'main.js');
}

async function migratedCluster(directory: string): Promise<string> {
  const dataDir = join(directory, 'embedded');
  const emptyCluster = existsSync(EMPTY_CLUSTER) ? EMPTY_CLUSTER : undefined;
  await migrateAll({ ...throwingOptions(dataDir), emptyCluster });
  return join(dataDir, 'db');
}

async function migratedServer(programs: string, directory: string): Promise<PostgresServer> {
  const server = await startPostgresServer(programs);
  await run(server.url('postgres'), `CREATE DATABASE ${TEMPLATE}`);
  await migrateAll({ ...throwingOptions(directory), databaseUrl: server.url(TEMPLATE) });
  return server;
}

async function migrateAll(options: DatabaseOptions): Promise<void> {
  const database = await openDatabase(options);
  await migrate(database, MIGRATIONS);
  await migrateScheduler(database);
  await database.close();
}

function throwingOptions(dataDir: string): DatabaseOptions {
  return {
    dataDir,
    onError: (error) => {
      throw error;
    },
  };
}

async function run(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

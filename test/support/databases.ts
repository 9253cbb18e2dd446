import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { type Database, type DatabaseOptions, openDatabase } from '../../src/adapters/postgres/database.ts';

/** A busy machine is no frozen one: what is not about limits of time does not fail by them. */
const patience = 20;

export type DatabaseFixture = {
  readonly kind: Database['kind'];
  /** A fresh database of this suite, with everything migrated. */
  readonly database: Database;
  /** What opened it. On a server, whoever opens it with the same options is another node. */
  readonly options: DatabaseOptions;
  /** What `onError` was told. */
  readonly errors: readonly Error[];
  /** Closes the database and opens it again, as a restart of the process does. */
  reopen(): Promise<void>;
};

/**
 * Runs a contract suite on the embedded database and on PostgreSQL, each with a fresh, migrated database of its own.
 * Where no PostgreSQL is installed it says by name what does not run.
 */
export function forEachDatabase(
  name: string,
  suite: (fixture: DatabaseFixture) => void,
  settings: DatabaseSettings = {},
): void {
  describe(`${name} · embedded`, () => suite(fixtureOf('embedded', embeddedOptions, settings)));
  onlyOnServer(name, suite, settings);
}

/** `patience: 1` is for suites about the limits themselves. */
type DatabaseSettings = Pick<DatabaseOptions, 'patience'>;

/** For what only a server can do or suffer. */
export function onlyOnServer(
  name: string,
  suite: (fixture: DatabaseFixture) => void,
  settings: DatabaseSettings = {},
): void {
  const isMissing = inject('postgresPrograms') === undefined;
  if (isMissing) warnNotRun(name);
  describe.skipIf(isMissing)(`${name} · PostgreSQL`, () =>
    suite(fixtureOf('server', serverOptions, settings)),
  );
}

function warnNotRun(name: string): void {
  const why = 'neither the PATH nor /usr/lib/postgresql/*/bin has initdb and postgres';
  process.stderr.write(`NOT RUN: "${name} · PostgreSQL": ${why}\n`);
}

/** The files of a migrated embedded database, to be copied. */
export function embeddedTemplate(): Promise<string> {
  return ask('/embedded');
}

async function embeddedOptions(dataDir: string) {
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
  return { dataDir };
}

async function serverOptions(dataDir: string) {
  return { dataDir, databaseUrl: await ask('/server') };
}

function fixtureOf(
  kind: Database['kind'],
  prepare: (dataDir: string) => Promise<Pick<DatabaseOptions, 'dataDir' | 'databaseUrl'>>,
  settings: DatabaseSettings,
): DatabaseFixture {
  const dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-suite-'));
  const errors: Error[] = [];
  const note = (error: Error) => void errors.push(error);
  let options: DatabaseOptions | undefined;
  let database: Database | undefined;
  beforeAll(async () => {
    options = { ...(await prepare(dataDir)), patience, ...settings, onError: note };
    database = await openDatabase(options);
  });
  afterAll(async () => {
    await database?.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return {
    kind,
    errors,
    get database() {
      return opened(database);
    },
    get options() {
      return opened(options);
    },
    async reopen() {
      await opened(database).close();
      database = await openDatabase(opened(options));
    },
  };
}

function opened<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the database is there only while tests run');
  return value;
}

async function ask(path: string): Promise<string> {
  const response = await fetch(new URL(path, inject('broker')));
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

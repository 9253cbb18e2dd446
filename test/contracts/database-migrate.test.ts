import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/adapters/postgres/database.ts';
import { migrate } from '../../src/adapters/postgres/migrate.ts';
import { forEachDatabase, onlyOnServer } from '../support/databases.ts';

const refused = { code: 'migration-refused' };
const ONE = '0001_one.sql';
const TWO = '0002_two.sql';
const CREATE_ONE = 'CREATE TABLE hub.one (n integer);';
const CREATE_TWO = 'CREATE TABLE two (n integer); INSERT INTO two VALUES (2);';

function aFolder(files: { readonly [name: string]: string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'caep-hub-migrations-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

forEachDatabase('migrations', (fixture) => {
  /** With more time than statements of the hub have: all of its tables go at once. */
  async function startOver(): Promise<void> {
    const pool = fixture.database.openPool({ connectionsMax: 1, statementTimeoutMs: 60_000 });
    try {
      await pool.query('DROP SCHEMA IF EXISTS hub CASCADE');
    } finally {
      await pool.end();
    }
  }
  const apply = (files: { readonly [name: string]: string }) => migrate(fixture.database, aFolder(files));
  const tables = async () => {
    const { rows } = await fixture.database.pool.query<{ name: string }>(
      `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
       WHERE table_name IN ('one', 'two', 'three') ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };
  afterEach(startOver);

  test('those of this repository were applied, and once more is nothing', async () => {
    const folder = join(import.meta.dirname, '../../migrations');
    expect(await migrate(fixture.database, folder)).toEqual([]);
  });

  test('files run in the order of their names, once; a bare name means the schema hub', async () => {
    expect(await apply({ [ONE]: CREATE_ONE })).toEqual([ONE]);
    expect(await apply({ [TWO]: CREATE_TWO, [ONE]: CREATE_ONE })).toEqual([TWO]);
    expect(await apply({ [TWO]: CREATE_TWO, [ONE]: CREATE_ONE })).toEqual([]);
    expect(await tables()).toEqual(['hub.one', 'hub.two']);
  });

  test('one that fails is named, and none of the batch is applied', async () => {
    const broken = apply({ [ONE]: CREATE_ONE, [TWO]: 'CREATE TABLE hub.one (n integer);' });
    await expect(broken).rejects.toThrow(`migration ${TWO} failed`);
    expect(await tables()).toEqual([]);
  });

  test('a changed file, an unknown one in the database, and a new one in between are refused, and nothing is done', async () => {
    await apply({ [ONE]: CREATE_ONE, '0003_three.sql': 'CREATE TABLE hub.three (n integer);' });
    const three = { '0003_three.sql': 'CREATE TABLE hub.three (n integer);' };
    const later = { '0004_four.sql': CREATE_TWO };
    await expect(apply({ [ONE]: `${CREATE_ONE} `, ...three, ...later })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining(`${ONE} was changed`),
    });
    await expect(apply({ [ONE]: CREATE_ONE, ...later })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('0003_three.sql'),
      hint: expect.stringContaining('newer release'),
    });
    await expect(apply({ [ONE]: CREATE_ONE, [TWO]: CREATE_TWO, ...three })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining(`${TWO} is new but sorts before`),
    });
    expect(await tables()).toEqual(['hub.one', 'hub.three']);
  });
});

onlyOnServer('migrations of several nodes', (fixture) => {
  test('nodes that start together apply each file once', async () => {
    await fixture.database.pool.query('DROP SCHEMA hub CASCADE');
    const folder = aFolder({ [ONE]: CREATE_ONE, [TWO]: CREATE_TWO });
    const nodes = await Promise.all(Array.from({ length: 6 }, () => openDatabase(fixture.options)));
    onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.close()))));
    const applied = await Promise.all(nodes.map((node) => migrate(node, folder)));
    expect(applied.flat().sort()).toEqual([ONE, TWO]);
  });
});

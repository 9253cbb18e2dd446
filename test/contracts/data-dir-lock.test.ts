import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { lockDataDir } from '../../src/adapters/system/data-dir-lock.ts';

const inUse = { code: 'data-dir-in-use' };
const CONTENDER = join(import.meta.dirname, '../support/hold-data-dir.ts');

function aDataDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'caep-hub-lock-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'data');
}

/** Another process that tries to hold it, and lives until it is killed; answers the first line that it says. */
async function contender(dataDir: string): Promise<{ said: string; process: ChildProcess }> {
  const child = spawn(process.execPath, ['--import', 'tsx', CONTENDER, dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  for await (const said of createInterface({ input: child.stdout })) return { said, process: child };
  throw new Error('it said nothing');
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('the directory is made, for this user only', async () => {
  const dataDir = aDataDir();
  const lock = await lockDataDir(dataDir);
  onTestFinished(lock.release);
  expect(statSync(dataDir).mode & 0o777).toBe(0o700);
});

test('a second process is refused, told which one holds it and what to do', async () => {
  const dataDir = aDataDir();
  const holder = await contender(dataDir);
  expect(holder.said).toBe('held');
  await expect(lockDataDir(dataDir)).rejects.toMatchObject({
    ...inUse,
    message: expect.stringContaining(`process ${holder.process.pid}`),
    hint: expect.stringContaining('DATABASE_URL'),
  });
});

test('a process that is merely frozen still holds it', async () => {
  const dataDir = aDataDir();
  const holder = await contender(dataDir);
  holder.process.kill('SIGSTOP');
  await expect(lockDataDir(dataDir)).rejects.toMatchObject(inUse);
});

test('once released it can be held again', async () => {
  const dataDir = aDataDir();
  const first = await lockDataDir(dataDir);
  await expect(lockDataDir(dataDir)).rejects.toMatchObject(inUse);
  await first.release();
  const second = await lockDataDir(dataDir);
  await expect(lockDataDir(dataDir)).rejects.toMatchObject(inUse);
  await second.release();
});

test('after kill -9 of the holder exactly one of many contenders takes it over', async () => {
  const dataDir = aDataDir();
  const holder = await contender(dataDir);
  for (let round = 0; round < 3; round++) {
    if (round === 0) await kill(holder.process);
    const attempts = await Promise.allSettled(Array.from({ length: 30 }, () => lockDataDir(dataDir)));
    const held = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(held).toHaveLength(1);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject(inUse);
    }
    await held[0]?.value.release();
  }
});

test('many processes at once: exactly one holds it', async () => {
  const dataDir = aDataDir();
  const contenders = await Promise.all(Array.from({ length: 5 }, () => contender(dataDir)));
  expect(contenders.map(({ said }) => said).sort()).toEqual([
    'data-dir-in-use',
    'data-dir-in-use',
    'data-dir-in-use',
    'data-dir-in-use',
    'held',
  ]);
});

test('holding and releasing again and again leaves a handful of files', async () => {
  const dataDir = aDataDir();
  for (let round = 0; round < 20; round++) await (await lockDataDir(dataDir)).release();
  expect(readdirSync(join(dataDir, 'lock')).length).toBeLessThanOrEqual(2);
});

test('a path far longer than a socket may have works', async () => {
  const dataDir = join(aDataDir(), 'deep'.repeat(20), 'deeper'.repeat(20));
  const lock = await lockDataDir(dataDir);
  await expect(lockDataDir(dataDir)).rejects.toMatchObject(inUse);
  await lock.release();
});

test('a directory that cannot be made is refused with what to do', async () => {
  const dataDir = aDataDir();
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'file'), '');
  await expect(lockDataDir(join(dataDir, 'file', 'below'))).rejects.toMatchObject({
    code: 'data-dir-unusable',
    hint: expect.stringContaining('DATA_DIR'),
  });
});

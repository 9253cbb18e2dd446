import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '../../core/problem.ts';

const ownerOnlyDirectory = 0o700;
const ownerOnlyFile = 0o600;
const othersBits = 0o077;

export type SecretFile = { readonly path: string; readonly secret: string; readonly created: boolean };

/**
 * The secret in a file that only this user reads. Where there is none it is made, whole or not at all; of two who make
 * it at the same time both get the same.
 *
 * @throws Problem `data-dir-unusable` when others may read the file, when it is empty or when it cannot be had.
 */
export async function readOrCreateSecret(
  directory: string,
  name: string,
  make: () => string,
): Promise<SecretFile> {
  const path = join(directory, name);
  try {
    await mkdir(directory, { recursive: true, mode: ownerOnlyDirectory });
    const created = await create(path, make());
    const { mode } = await stat(path);
    if ((mode & othersBits) !== 0) throw unusable(path, 'other users may read it', `Run chmod 600 ${path}`);
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret === '') throw unusable(path, 'it is empty', `Remove ${path}`);
    return { path, secret, created };
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw unusable(path, String(error), 'Set DATA_DIR to a directory that this user may write to', error);
  }
}

/** Written beside its place and linked into it: what has the name is complete. */
async function create(path: string, secret: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', ownerOnlyFile);
    try {
      await file.writeFile(`${secret}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function unusable(path: string, why: string, remedy: string, cause?: unknown): Problem {
  return new Problem('data-dir-unusable', `The secret in ${path} cannot be used: ${why}.`, {
    hint: `${remedy}.`,
    cause,
  });
}

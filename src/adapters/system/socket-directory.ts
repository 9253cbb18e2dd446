import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with the closing NUL. */
const SOCKET_PATH_BYTES_MAX = 103;
/** What is put behind the directory: `/.s.PGSQL.5432`, and the lock's names, are shorter. */
const NAME_BYTES_MAX = 32;

/**
 * A directory for Unix sockets, empty and only for this user (0700), with a path that is short enough for them:
 * `preferred`, which a process that died may have left behind, or else a new one among the temporary ones. The caller
 * removes it.
 */
export async function createSocketDirectory(preferred?: string): Promise<string> {
  if (preferred !== undefined && isShort(resolve(preferred))) {
    await rm(preferred, { recursive: true, force: true });
    await mkdir(preferred, { recursive: true, mode: 0o700 });
    return resolve(preferred);
  }
  const temporary = join(tmpdir(), 'caep-hub-');
  return mkdtemp(isShort(`${temporary}XXXXXX`) ? temporary : '/tmp/caep-hub-');
}

function isShort(directory: string): boolean {
  return Buffer.byteLength(directory) + NAME_BYTES_MAX <= SOCKET_PATH_BYTES_MAX;
}

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with the closing NUL. */
const SOCKET_PATH_BYTES_MAX = 103;
/** What we put behind the directory: `/.s.PGSQL.5432` and the names of the data directory's lock are shorter. */
const NAME_BYTES_MAX = 32;

/**
 * A fresh directory, only for this user (0700), with a path short enough for Unix sockets in it. The caller removes it.
 */
export async function createSocketDirectory(): Promise<string> {
  const preferred = join(tmpdir(), 'caep-hub-');
  const fits = Buffer.byteLength(preferred) + 6 + NAME_BYTES_MAX <= SOCKET_PATH_BYTES_MAX;
  return mkdtemp(fits ? preferred : '/tmp/caep-hub-');
}

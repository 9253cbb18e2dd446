/**
 * Packs the empty cluster that the embedded database begins with into `assets/`: making one takes seconds and
 * much memory, unpacking one does not.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCluster } from '../src/adapters/postgres/embedded.ts';

const assets = join(import.meta.dirname, '../assets');
const archive = join(assets, 'empty-cluster.tar.gz');
const directory = mkdtempSync(join(tmpdir(), 'caep-hub-cluster-'));
try {
  await createCluster(join(directory, 'db'));
  mkdirSync(assets, { recursive: true });
  execFileSync('tar', ['-czf', `${archive}.new`, '-C', join(directory, 'db'), '.']);
  renameSync(`${archive}.new`, archive);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

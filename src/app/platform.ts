import { createAnnouncer } from '../adapters/postgres/announcer.ts';
import { openDatabase, type Database } from '../adapters/postgres/database.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createTokenStore } from '../adapters/postgres/token-store.ts';
import type { Clock } from '../adapters/system/clock.ts';
import type { Closers } from '../adapters/system/closers.ts';
import { lockDataDir } from '../adapters/system/data-dir-lock.ts';
import { readOrCreateSecret } from '../adapters/system/secret-file.ts';
import { putBootstrapToken } from '../authorization/bootstrap.ts';
import { createKeyring, type DeriveKey } from '../authorization/keyring.ts';
import { makeTokenSecret } from '../authorization/token-secret.ts';
import type { Config } from '../config.ts';
import type { Log } from '../http/log.ts';
import type { Metrics } from '../http/metrics.ts';
import type { Part } from '../http/readiness.ts';
import type { Announcer } from '../pipeline/ports.ts';
import { createPublicUrl, type PublicUrl } from './public-url.ts';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const migrations = fileURLToPath(new URL('../../migrations', import.meta.url));
const emptyCluster = fileURLToPath(new URL('../../assets/empty-cluster.tar.gz', import.meta.url));
const packageFile = new URL('../../package.json', import.meta.url);

/** What every feature stands on. */
export type Platform = {
  readonly database: Database;
  readonly announcer: Announcer;
  readonly deriveKey: DeriveKey;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly publicUrl: PublicUrl;
  readonly adminTokenPath?: string;
};

export async function openPlatform(
  config: Config,
  log: Log,
  clock: Clock,
  closers: Closers,
): Promise<Platform> {
  if (config.databaseUrl === undefined) {
    const lock = await lockDataDir(config.dataDir);
    closers.add('data directory', () => lock.release());
  }
  const database = await openDatabase({
    databaseUrl: config.databaseUrl?.reveal(),
    dataDir: config.dataDir,
    emptyCluster,
    onError: (error) => log.error({ err: error }, 'the database lost a connection'),
  });
  closers.add('database', () => database.close());
  const applied = await migrate(database, migrations);
  if (applied.length > 0) log.info({ migrations: applied }, 'the database was migrated');
  const announcer = createAnnouncer({
    database,
    onError: (error) => log.warn({ err: error }, 'other nodes were not woken; they look by themselves'),
  });
  closers.add('announcer', () => announcer.close());
  const secretsKey = await secretOf(config.secretsKey?.reveal(), config.dataDir, 'secrets-key');
  const adminToken = await secretOf(config.adminToken?.reveal(), config.dataDir, 'admin-token');
  await putBootstrapToken({
    store: createTokenStore({ database, announcer }),
    secret: adminToken.secret,
    from: adminToken.path ?? 'ADMIN_TOKEN',
    atMs: clock.nowMs(),
  });
  return {
    database,
    announcer,
    clock,
    log,
    version: (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version,
    deriveKey: createKeyring(secretsKey.secret),
    publicUrl: createPublicUrl(config.publicUrl, config.port),
    ...(adminToken.path === undefined ? {} : { adminTokenPath: adminToken.path }),
  };
}

async function secretOf(
  given: string | undefined,
  dataDir: string,
  name: string,
): Promise<{ readonly secret: string; readonly path?: string }> {
  return given === undefined ? readOrCreateSecret(dataDir, name, makeTokenSecret) : { secret: given };
}

/** What the parts of the hub are wired with, and where they put what is asked of all. */
export type Hub = Platform & {
  readonly parts: Map<string, Part>;
  readonly metrics: Metrics;
  readonly closers: Closers;
};

/** For what goes on without: it is tried again, or somebody looks anyway. */
export const warn =
  (log: Log, text: string) =>
  (error: unknown): void =>
    log.warn({ err: error }, text);

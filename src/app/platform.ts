import { readExtraCa } from '../adapters/fetch/extra-ca.ts';
import { createSafeFetch } from '../adapters/fetch/safe-fetch.ts';
import { createAnnouncer } from '../adapters/postgres/announcer.ts';
import { readDatabaseIdentity } from '../adapters/postgres/database-identity.ts';
import { openDatabase, type Database } from '../adapters/postgres/database.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { takeIssuer } from '../adapters/postgres/own-issuers.ts';
import { createTokenStore } from '../adapters/postgres/token-store.ts';
import { createRedisAnnouncer } from '../adapters/redis/announcer.ts';
import { openRedis, type RedisServer } from '../adapters/redis/connections.ts';
import { pollFetchLimits } from '../adapters/ssf/poll-sets.ts';
import type { Clock } from '../adapters/system/clock.ts';
import type { Closers } from '../adapters/system/closers.ts';
import { lockDataDir } from '../adapters/system/data-dir-lock.ts';
import { readOrCreateSecret } from '../adapters/system/secret-file.ts';
import { readTlsFiles, type TlsCertificate, type TlsFiles } from '../adapters/system/tls-files.ts';
import { putBootstrapToken } from '../authorization/bootstrap.ts';
import { createKeyring, type DeriveKey } from '../authorization/keyring.ts';
import { makeTokenSecret } from '../authorization/token-secret.ts';
import type { Config, Secret } from '../config.ts';
import type { Log } from '../http/log.ts';
import type { Metrics } from '../http/metrics.ts';
import type { Part } from '../http/readiness.ts';
import type { SafeFetch } from '../core/outgoing.ts';
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
  /** Only with REDIS_URL. */
  readonly redis?: RedisServer;
  readonly announcer: Announcer;
  readonly deriveKey: DeriveKey;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: the hub speaks plain HTTP. */
  readonly tls?: { readonly files: TlsFiles; readonly first: TlsCertificate };
  readonly version: string;
  readonly publicUrl: PublicUrl;
  readonly outboundAllow: Config['outboundAllow'];
  /** The only way out (invariant 10). */
  readonly fetch: SafeFetch;
  /** The same way, for polls that a Transmitter answers when it has something. */
  readonly longFetch: SafeFetch;
  readonly adminTokenPath?: string;
};

export async function openPlatform(
  config: Config,
  log: Log,
  clock: Clock,
  closers: Closers,
): Promise<Platform> {
  const tls = config.tls && { files: config.tls, first: await readTlsFiles(config.tls, clock.nowMs()) };
  if (config.databaseUrl === undefined) {
    const lock = await lockDataDir(config.dataDir);
    closers.add('data directory', () => lock.release());
  }
  if (config.publicUrl === undefined) {
    log.warn('PUBLIC_URL is not set: receivers elsewhere can neither find the hub nor check what it sends');
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
  const publicUrl = createPublicUrl(config, (url) =>
    takeIssuer(database, { url, accepted: config.acceptNewIssuer ?? false, atMs: clock.nowMs() }),
  );
  await publicUrl.takeIfKnown();
  const redis = config.redisUrl === undefined ? undefined : await openRedisOf(config.redisUrl, database, log);
  closers.add('Redis', () => redis?.close());
  const onError = warn(log, 'other nodes were not woken; they look by themselves');
  const announcer =
    redis === undefined ? createAnnouncer({ database, onError }) : createRedisAnnouncer({ redis, onError });
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
    ...(redis === undefined ? {} : { redis }),
    ...(tls === undefined ? {} : { tls }),
    announcer,
    clock,
    log,
    version: (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version,
    deriveKey: createKeyring(secretsKey.secret),
    publicUrl,
    outboundAllow: config.outboundAllow,
    ...(await openFetches(config, closers)),
    ...(adminToken.path === undefined ? {} : { adminTokenPath: adminToken.path }),
  };
}

async function openFetches(
  { outboundAllow: allow, extraCaFile }: Config,
  closers: Closers,
): Promise<Pick<Platform, 'fetch' | 'longFetch'>> {
  const extraCa = extraCaFile === undefined ? undefined : await readExtraCa(extraCaFile);
  const options = { allow, ...(extraCa === undefined ? {} : { extraCa }) };
  const outgoing = createSafeFetch(options);
  const polling = createSafeFetch({ ...options, limits: pollFetchLimits });
  closers.add('outgoing connections', async () => {
    await Promise.all([outgoing.close(), polling.close()]);
  });
  return { fetch: outgoing.fetch, longFetch: polling.fetch };
}

async function openRedisOf(url: Secret, database: Database, log: Log): Promise<RedisServer> {
  return openRedis({
    url: url.reveal(),
    identity: await readDatabaseIdentity(database),
    onChange(reason) {
      if (reason === undefined) log.info('Redis is back');
      else
        log.warn(
          { err: reason },
          'Redis is away; nodes look by themselves, and do scheduled work by themselves',
        );
    },
  });
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

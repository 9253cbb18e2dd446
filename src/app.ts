import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createAnnouncer } from './adapters/postgres/announcer.ts';
import { createAuditChainStore, createAuditStore } from './adapters/postgres/audit-store.ts';
import { storageProblem } from './adapters/postgres/database-failures.ts';
import { openDatabase, type Database } from './adapters/postgres/database.ts';
import { countHeldWaiting, readHubState } from './adapters/postgres/hub-state.ts';
import { createIdentityLinkStore } from './adapters/postgres/identity-link-store.ts';
import { createIssuerStore } from './adapters/postgres/issuer-store.ts';
import { migrate } from './adapters/postgres/migrate.ts';
import { createSourceStore } from './adapters/postgres/source-store.ts';
import { createTokenStore } from './adapters/postgres/token-store.ts';
import { systemClock, type Clock } from './adapters/system/clock.ts';
import { createClosers, type Closers } from './adapters/system/closers.ts';
import { lockDataDir } from './adapters/system/data-dir-lock.ts';
import { newId } from './adapters/system/ids.ts';
import { readOrCreateSecret } from './adapters/system/secret-file.ts';
import { startChainer } from './audit/chainer.ts';
import type { AuditChainStore } from './audit/ports.ts';
import { createRefusalLog } from './audit/refusal-log.ts';
import { auditRoutes } from './audit/routes.ts';
import { putBootstrapToken } from './authorization/bootstrap.ts';
import { createCallerDirectory } from './authorization/caller-directory.ts';
import { createKeyring, type DeriveKey } from './authorization/keyring.ts';
import { tokenRoutes } from './authorization/routes.ts';
import { createTokenEndings } from './authorization/token-endings.ts';
import { makeTokenSecret } from './authorization/token-secret.ts';
import type { Config } from './config.ts';
import type { Log } from './http/log.ts';
import { drain, listenOn } from './http/listening.ts';
import { createMetrics, type GaugeReaders } from './http/metrics.ts';
import { describeApi } from './http/openapi.ts';
import { processRoutes } from './http/process-routes.ts';
import { createReadiness, type Part } from './http/readiness.ts';
import { createServer, type HubServer } from './http/server.ts';
import { identityLinkRoutes } from './identity-links/routes.ts';
import { createIssuerDirectory } from './issuers/issuer-directory.ts';
import { issuerRoutes } from './issuers/routes.ts';
import type { Announcer } from './pipeline/ports.ts';
import { sourceRoutes } from './sources/routes.ts';

const migrations = fileURLToPath(new URL('../migrations', import.meta.url));
const emptyCluster = fileURLToPath(new URL('../assets/empty-cluster.tar.gz', import.meta.url));
const packageFile = new URL('../package.json', import.meta.url);

/** How often refused attempts of past minutes and the last use of tokens are written. */
const writeDownMs = 15_000;

export type App = {
  /** Listens, and says where. @throws Problem when it cannot; everything is closed then. */
  listen(): Promise<Listening>;
  /** Lets what is under way come to its end, ends everything in the order opposite to its start, and never throws. */
  close(): Promise<void>;
};
export type Listening = {
  readonly url: string;
  readonly durability: Database['durability'];
  /** Where the admin token is, if it is in a file. */
  readonly adminTokenPath?: string;
  readonly version: string;
};

/**
 * Puts the hub together: everything that knows of everything is here.
 *
 * @throws Problem when it cannot start as it is configured; what was opened is closed.
 */
export async function createApp(config: Config, log: Log, clock: Clock = systemClock): Promise<App> {
  const closers = createClosers((part, error) => log.error({ err: error, part }, 'a part did not close'));
  try {
    const platform = await openPlatform(config, log, clock, closers);
    const server = await wire(platform, config, closers);
    return {
      async listen() {
        const url = await listenOn(server, config.host, config.port).catch(async (error: unknown) => {
          await closers.closeAll();
          throw error;
        });
        const { adminTokenPath, database, version } = platform;
        return {
          url,
          durability: database.durability,
          version,
          ...(adminTokenPath === undefined ? {} : { adminTokenPath }),
        };
      },
      close: closers.closeAll,
    };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

/** What every feature stands on. */
type Platform = {
  readonly database: Database;
  readonly announcer: Announcer;
  readonly deriveKey: DeriveKey;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly adminTokenPath?: string;
};

async function openPlatform(config: Config, log: Log, clock: Clock, closers: Closers): Promise<Platform> {
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

async function wire(platform: Platform, config: Config, closers: Closers): Promise<HubServer> {
  const { database, announcer, clock, log } = platform;
  const { nowMs } = clock;
  const tokenStore = createTokenStore({ database, announcer });
  const audit = createAuditStore({ database });
  const chain = createAuditChainStore({ database });
  const callers = createCallerDirectory({ store: tokenStore, announcer, nowMs });
  const refusals = createRefusalLog({ store: audit, nowMs });
  const chainer = startChainer({ store: chain, announcer, onError: warn(log, 'the audit was not chained') });
  closers.add('audit chainer', () => chainer.close());
  const endings = createTokenEndings({
    store: tokenStore,
    announcer,
    nowMs,
    onError: warn(log, 'tokens were not looked at'),
  });
  closers.add('token endings', async () => endings.close());
  writeDownRegularly(closers, log, (all) => Promise.all([refusals.flush(all), callers.flushUse()]));

  const server = createServer({
    logger: log,
    findCaller: callers.findCaller,
    noteRefusal: refusals.note,
    explainError: storageProblem,
  });
  closers.add('server', () => drain(server));
  await describeApi(server, platform.version);
  const metrics = createMetrics(gaugeReaders(platform, chain), warn(log, 'a metric could not be read'));
  await server.register(processRoutes, {
    version: platform.version,
    metrics,
    readiness: createReadiness({
      durability: database.durability,
      parts: partsOf(platform),
      monotonicMs: clock.monotonicMs,
    }),
    ...(config.metricsToken === undefined ? {} : { metricsToken: config.metricsToken.reveal() }),
  });
  await server.register(tokenRoutes, { store: tokenStore, nowMs, newId });
  await server.register(auditRoutes, { store: audit, chain });
  await wireRegistries(server, platform, closers);
  await server.ready();
  return server;
}

/** Who is known: issuers, sources and what ties names to keys. */
async function wireRegistries(server: HubServer, platform: Platform, closers: Closers): Promise<void> {
  const { database, announcer, log } = platform;
  const { nowMs } = platform.clock;
  const issuerStore = createIssuerStore({ database, announcer });
  const issuers = await createIssuerDirectory({
    store: issuerStore,
    announcer,
    onError: warn(log, 'the issuers were not read again'),
  });
  closers.add('issuers', () => issuers.close());
  await server.register(issuerRoutes, { store: issuerStore, nowMs });
  await server.register(sourceRoutes, { store: createSourceStore({ database, announcer }), nowMs });
  await server.register(identityLinkRoutes, {
    store: createIdentityLinkStore({ database, announcer }),
    nowMs,
    onlyIssuer: issuers.only,
  });
}

function partsOf({ database }: Platform): Readonly<Record<string, Part>> {
  return {
    database: async () => {
      const { epoch, epochOpenedAtMs, epochOpenedBecause } = await readHubState(database);
      const since = new Date(epochOpenedAtMs).toISOString();
      const notices =
        epochOpenedBecause === 'first start'
          ? []
          : [`The feed is in an epoch opened at ${since}: ${epochOpenedBecause}.`];
      return { epoch, notices };
    },
  };
}

function gaugeReaders({ database, clock }: Platform, chain: AuditChainStore): GaugeReaders {
  return {
    caep_hub_audit_unchained_rows: async () => [{ value: (await chain.unchained()).count }],
    caep_hub_audit_lag_seconds: async () => {
      const { oldestAtMs } = await chain.unchained();
      return [{ value: oldestAtMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestAtMs) / 1_000 }];
    },
    caep_hub_held_waiting: async () => [{ value: await countHeldWaiting(database) }],
  };
}

/** And once more at the end, with what the current minute has. */
function writeDownRegularly(closers: Closers, log: Log, write: (all: boolean) => Promise<unknown>): void {
  const onError = warn(log, 'refused attempts or the last use of tokens were not written');
  const timer = setInterval(() => void write(false).catch(onError), writeDownMs);
  timer.unref();
  closers.add('last writes', async () => {
    clearInterval(timer);
    await write(true);
  });
}

const warn =
  (log: Log, text: string) =>
  (error: unknown): void =>
    log.warn({ err: error }, text);

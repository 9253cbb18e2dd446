import { storageProblem } from './adapters/postgres/database-failures.ts';
import type { Database } from './adapters/postgres/database.ts';
import { readHubState } from './adapters/postgres/hub-state.ts';
import { systemClock, type Clock } from './adapters/system/clock.ts';
import { createClosers, type Closers } from './adapters/system/closers.ts';
import { newId } from './adapters/system/ids.ts';
import { auditRoutes } from './audit/routes.ts';
import { tokenRoutes } from './authorization/routes.ts';
import type { Config } from './config.ts';
import { drain, listenOn } from './http/listening.ts';
import type { Log } from './http/log.ts';
import { createMetrics } from './http/metrics.ts';
import { describeApi } from './http/openapi.ts';
import { processRoutes } from './http/process-routes.ts';
import { createReadiness, type Part } from './http/readiness.ts';
import { createServer, type HubServer } from './http/server.ts';
import { openPlatform, warn, type Platform } from './app/platform.ts';
import { wireAgents } from './app/wire-agents.ts';
import { wireAudit } from './app/wire-audit.ts';
import { wireHooks } from './app/wire-hooks.ts';
import { wireKeys } from './app/wire-keys.ts';
import { type Oauth, wireOauth } from './app/wire-oauth.ts';
import { wirePoints } from './app/wire-points.ts';
import { wireRedis } from './app/wire-redis.ts';
import { wireRegistries } from './app/wire-registries.ts';
import { wireSchedule } from './app/wire-schedule.ts';
import { wireSignals } from './app/wire-signals.ts';
import { wireStreams } from './app/wire-streams.ts';
import { serverTlsOf, wireTls } from './app/wire-tls.ts';
import { wireTransmitter } from './app/wire-transmitter.ts';
import { wireTokens } from './app/wire-tokens.ts';
import { wireReceiver } from './app/wire-receiver.ts';
import { wireUpstreams } from './app/wire-upstreams.ts';

export type App = {
  /** Listens, and says where. @throws Problem when it cannot; everything is closed then. */
  listen(): Promise<Listening>;
  /** Lets what is under way come to its end, ends everything in the order opposite to its start, and never throws. */
  close(): Promise<void>;
};
export type Listening = {
  readonly url: string;
  /** Who the hub is to others: the issuer of what it signs. */
  readonly issuer: string;
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
  const orClose = <T>(start: () => Promise<T>): Promise<T> =>
    start().catch(async (error: unknown) => {
      await closers.closeAll();
      throw error;
    });
  try {
    const platform = await openPlatform(config, log, clock, closers);
    const server = await wire(platform, config, closers);
    return {
      async listen() {
        const url = await orClose(async () => {
          const found = await listenOn(server, config.host, config.port);
          await platform.publicUrl.listensAt(found);
          return found;
        });
        const { adminTokenPath, database, version } = platform;
        return {
          url,
          issuer: platform.publicUrl.get(),
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

/** One part after the other: what a later one needs, an earlier one answers. */
async function wire(platform: Platform, config: Config, closers: Closers): Promise<HubServer> {
  const { database, clock, log } = platform;
  const parts = new Map<string, Part>([['database', databasePart(database)]]);
  const metrics = createMetrics({
    monotonicMs: clock.monotonicMs,
    onError: warn(log, 'a metric could not be read'),
  });
  const readiness = createReadiness({
    durability: database.durability,
    parts,
    monotonicMs: clock.monotonicMs,
  });
  const hub = { ...platform, parts, metrics, closers };
  wireRedis(hub);
  const audit = wireAudit(hub);
  const oauth = later<Oauth>();
  const tokens = wireTokens(hub, audit.store, () => oauth.get().accessTokens);
  const server = createServer({
    logger: log,
    findCaller: tokens.callers.findCaller,
    accessTokens: {
      check: (request) => oauth.get().accessTokens.check(request),
      resourceMetadataUrl: () => oauth.get().accessTokens.resourceMetadataUrl(),
    },
    noteRefusal: tokens.refusals.note,
    explainError: storageProblem,
    ...serverTlsOf(platform),
  });
  closers.add('server', () => drain(server));
  wireTls(server, hub);
  await describeApi(server, platform.version);
  await server.register(processRoutes, {
    version: platform.version,
    metrics,
    readiness,
    ...(config.metricsToken === undefined ? {} : { metricsToken: config.metricsToken.reveal() }),
  });
  await server.register(tokenRoutes, { store: tokens.store, nowMs: clock.nowMs, newId });
  await server.register(auditRoutes, audit);
  const issuers = await wireRegistries(server, hub);
  const points = await wirePoints(server, hub, { tokens, issuers });
  const keys = await wireKeys(server, hub);
  oauth.set(await wireOauth(server, hub, { points, tokens, keys: keys.accessTokens }));
  const signals = await wireSignals(server, hub, { issuers, points, noteRefusal: tokens.refusals.note });
  await wireAgents(server, hub, { issuers, signals });
  await wireHooks(server, hub, { signals, tokens });
  const streams = await wireStreams(server, hub, oauth.get());
  const transmitter = await wireTransmitter(server, hub, { keys: keys.sets, streams, tokens });
  const upstreams = await wireUpstreams(server, hub);
  const receiver = await wireReceiver(server, hub, { ...upstreams, signals, tokens });
  const scheduled = wireSchedule(hub, {
    signals,
    keys,
    streams,
    transmitter,
    upstreams,
    receiver,
    sweepUsedProofs: oauth.get().used.sweep,
  });
  transmitter.useQueue(scheduled.at);
  await server.ready();
  return server;
}

/** What requests need and what is wired after the server: none comes before all of it is there. */
function later<T>(): { readonly get: () => T; readonly set: (value: T) => void } {
  let held: { readonly value: T } | undefined;
  return {
    get() {
      if (held === undefined) throw new Error('it was asked for before it was there');
      return held.value;
    },
    set(value) {
      held = { value };
    },
  };
}

const databasePart =
  (database: Database): Part =>
  async () => {
    const { epoch, epochOpenedAtMs, epochOpenedBecause } = await readHubState(database);
    if (epochOpenedBecause === 'first start') return { epoch };
    const since = new Date(epochOpenedAtMs).toISOString();
    return { epoch, notices: [`The feed is in an epoch opened at ${since}: ${epochOpenedBecause}.`] };
  };

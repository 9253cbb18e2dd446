import { createFeedLog } from '../adapters/postgres/feed-log.ts';
import { countHeldWaiting, countLiveEntries } from '../adapters/postgres/hub-state.ts';
import { createReportStore } from '../adapters/postgres/point-reports.ts';
import { createPointStore } from '../adapters/postgres/point-store.ts';
import { createReceiptStore } from '../adapters/postgres/receipt-store.ts';
import { createFindSignalSeq } from '../adapters/postgres/signal-seq.ts';
import type { Clock } from '../adapters/system/clock.ts';
import { newId } from '../adapters/system/ids.ts';
import { checkToken, makeToken } from '../authorization/make-token.ts';
import type { Part } from '../http/readiness.ts';
import type { HubServer } from '../http/server.ts';
import type { IssuerDirectory } from '../issuers/issuer-directory.ts';
import { openPoints, type Points } from '../points/points.ts';
import { enforcementRoutes, feedRoutes, pointRoutes, receiptRoutes } from '../points/routes.ts';
import type { Hub } from './platform.ts';
import type { Tokens } from './wire-tokens.ts';

const tokenOf = (point: string) => ({ actor: point, scopes: ['point'], point }) as const;

/** A node that has not read the feed for longer is not asked: three looks in a row failed. */
const feedAgeMaxMs = 3_000;

type PointsNeeds = { readonly tokens: Tokens; readonly issuers: IssuerDirectory };

/** The feed, who enforces it, and what they confirmed. */
export async function wirePoints(
  server: HubServer,
  hub: Hub,
  { tokens, issuers }: PointsNeeds,
): Promise<Points> {
  const { database, announcer, clock, log, metrics, parts, closers } = hub;
  const points = await openPoints({
    log: createFeedLog({ database }),
    pointStore: createPointStore({ database, announcer }),
    receiptStore: createReceiptStore({ database }),
    reportStore: createReportStore({ database }),
    announcer,
    clock,
    alert(kind, detail) {
      metrics.alerted(kind);
      log.error({ kind, detail }, 'a person must look at this');
    },
    newId,
    listIssuers: issuers.all,
    deriveKey: hub.deriveKey,
    watchToken: tokens.onTokenEnded,
    checkToken: (point, caller) => checkToken(tokenOf(point), caller),
    async issueToken(point, caller, correlationId) {
      const made = await makeToken(tokenOf(point), caller, correlationId, {
        store: tokens.store,
        nowMs: clock.nowMs,
        newId,
      });
      return { id: made.token.id, secret: made.secret };
    },
    findSignalSeq: createFindSignalSeq({ database }),
  });
  closers.add('feed and receipts', () => points.close());
  parts.set('feed', feedPart(points, clock));
  measurePoints(hub, points);
  await server.register(feedRoutes, points.routes);
  await server.register(pointRoutes, points.routes);
  await server.register(receiptRoutes, points.routes);
  await server.register(enforcementRoutes, points.routes);
  return points;
}

function measurePoints({ database, metrics }: Hub, { connections, view }: Points): void {
  metrics.gauge('caep_hub_held_waiting', async () => [{ value: await countHeldWaiting(database) }]);
  metrics.gauge('caep_hub_feed_connections', () => [{ value: connections.count }]);
  metrics.gauge('caep_hub_live_entries', async () =>
    (await countLiveEntries(database)).map(({ effect, lapses, count }) => ({
      labels: { effect, lapse: lapses ? 'at a time' : 'never' },
      value: count,
    })),
  );
  metrics.gauge('caep_hub_points', async () => {
    const { instances } = await view.atHead();
    const states = instances.map(({ state }) => state);
    return [...new Set(states)].map((state) => ({
      labels: { state },
      value: states.filter((one) => one === state).length,
    }));
  });
}

const feedPart =
  ({ memory }: Points, clock: Clock): Part =>
  () => {
    const ageMs = Math.round(clock.monotonicMs() - memory.currentAsOfMs);
    return {
      reasons: [
        ...(ageMs <= feedAgeMaxMs ? [] : [`The feed was not read for more than ${feedAgeMaxMs} ms.`]),
        ...(memory.diverged ? ['The feed in memory differs from the one in the database.'] : []),
      ],
    };
  };

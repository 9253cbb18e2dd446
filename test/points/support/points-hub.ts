import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { createAnnouncer } from '../../../src/adapters/postgres/announcer.ts';
import type { Database } from '../../../src/adapters/postgres/database.ts';
import { createFeedLog } from '../../../src/adapters/postgres/feed-log.ts';
import { createReportStore } from '../../../src/adapters/postgres/point-reports.ts';
import { createPointStore } from '../../../src/adapters/postgres/point-store.ts';
import { createReceiptStore } from '../../../src/adapters/postgres/receipt-store.ts';
import { newId } from '../../../src/adapters/system/ids.ts';
import type { IssuerSettings } from '../../../src/core/issuer.ts';
import type { JsonObject, TokenId } from '../../../src/core/vocabulary.ts';
import { pointName, tokenId } from '../../../src/core/vocabulary.ts';
import type { Caller, Scope } from '../../../src/http/caller.ts';
import { createLog } from '../../../src/http/log.ts';
import { createServer } from '../../../src/http/server.ts';
import { openPoints, type Points, type PointsPorts } from '../../../src/points/points.ts';
import { enforcementRoutes, feedRoutes, pointRoutes, receiptRoutes } from '../../../src/points/routes.ts';
import { aSource } from '../../support/statements.ts';

export type PointsHub = {
  readonly url: string;
  readonly points: Points;
  readonly database: Database;
  readonly alerts: { readonly kind: string; readonly detail: JsonObject }[];
  readonly issuers: IssuerSettings[];
  /** Add to them: time passes for the hub alone. */
  readonly time: { aheadMs: number };
  /** Seqs by signal id, for the enforcement of signals that no pipeline wrote. */
  readonly signals: Map<string, { readonly lastSeq?: number }>;
  /** Writes committed since the last call are read and passed on. */
  announce(topic: 'feed' | 'receipts' | 'configuration'): void;
  endToken(id: string): void;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
};

/** Tokens are their own description: `admin`, `watcher`, `edge` (of the point of that name). */
const headersOf = (token: string, instance?: string) => ({
  authorization: `Bearer ${token}`,
  ...(instance !== undefined && { 'caep-point': `${token}/${instance}` }),
});
const asAdmin = headersOf('admin');
export const asWatcher = headersOf('watcher');
export const asInstance = (point: string, instance: string) => headersOf(point, instance);

/** The feature over loopback, everything real but the tokens. */
export async function startPointsHub(
  database: Database,
  ports: Partial<PointsPorts> = {},
): Promise<PointsHub> {
  const announcer = createAnnouncer({ database, onError: () => undefined });
  const alerts: PointsHub['alerts'] = [];
  const issuers: IssuerSettings[] = [];
  const time = { aheadMs: 0 };
  const signals: PointsHub['signals'] = new Map();
  const watches = new Map<TokenId, Set<() => void>>();
  const points = await openPoints({
    log: createFeedLog({ database }),
    pointStore: createPointStore({ database, announcer }),
    receiptStore: createReceiptStore({ database }),
    reportStore: createReportStore({ database }),
    announcer,
    clock: { nowMs: () => Date.now() + time.aheadMs, monotonicMs: () => performance.now() + time.aheadMs },
    alert: (kind, detail) => void alerts.push({ kind, detail }),
    newId,
    listIssuers: () => issuers,
    deriveKey: (label) => createHash('sha256').update(label).digest(),
    watchToken({ tokenId: id }, callback) {
      const callbacks = watches.get(id) ?? new Set();
      watches.set(id, callbacks.add(callback));
      return () => void callbacks.delete(callback);
    },
    checkToken: () => undefined,
    issueToken: async (point) => ({ id: `tok_${point}`, secret: point }),
    findSignalSeq: async (id) => signals.get(id),
    ...ports,
  });
  const app = createServer({
    logger: createLog('silent', new Writable({ write: (_chunk, _encoding, done) => done() })),
    explainError: () => undefined,
    findCaller: async (secret) => ({ kind: 'known', caller: callerOf(secret) }),
    noteRefusal: () => undefined,
  });
  await app.register(feedRoutes, points.routes);
  await app.register(pointRoutes, points.routes);
  await app.register(receiptRoutes, points.routes);
  await app.register(enforcementRoutes, points.routes);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return {
    url,
    points,
    database,
    alerts,
    issuers,
    time,
    signals,
    announce: (topic) => announcer.announce(topic),
    endToken(id) {
      for (const callback of watches.get(tokenId(id)) ?? []) callback();
    },
    get: (path, headers = asAdmin) => fetch(url + path, { headers }),
    post: (path, body, headers = asAdmin) =>
      fetch(url + path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    async close() {
      await points.close();
      await app.close();
      announcer.close();
    },
  };
}

function callerOf(name: string): Caller {
  const granted: readonly Scope[] =
    name === 'admin'
      ? ['admin']
      : name === 'watcher'
        ? ['feed.read']
        : name === 'nobody'
          ? ['audit.read']
          : ['point'];
  return {
    tokenId: tokenId(`tok_${name}`),
    actor: name,
    scopes: new Set(granted),
    source: aSource({ id: name }),
    ...(granted.includes('point') && { point: pointName(name) }),
  };
}

import { afterEach, vi } from 'vitest';
import type { FeedEntry, InstanceDeclaration } from '../../../src/core/feed.ts';
import { createRevocationCache, type RevocationCache } from '../../../src/enforcement/cache.ts';
import { createFeedClient } from '../../../src/enforcement/feed-client.ts';
import type { FeedClient, FeedClientOptions, FeedTrouble } from '../../../src/enforcement/feed-types.ts';
import { type FeedServer, startFeedServer } from '../../support/feed-server.ts';
import { anEntry, aUlid } from '../cache/entries.ts';

/** A client with its own cache and a record of what it told. */
export type Point = {
  readonly client: FeedClient;
  readonly cache: RevocationCache;
  readonly applied: FeedEntry[];
  readonly troubles: FeedTrouble[];
  replaced: number;
};

const declaration: InstanceDeclaration = {
  kind: 'test',
  version: '1',
  postures: {},
  can: { effects: ['deny'], cut_open_requests: false },
  downstream_cache_seconds: 0,
};

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

export async function aServer(options: { readonly heartbeatMs?: number } = {}): Promise<FeedServer> {
  const server = await startFeedServer(options);
  opened.push(server.close);
  return server;
}

export function aPoint(server: Pick<FeedServer, 'url'>, more: Partial<FeedClientOptions> = {}): Point {
  const cache = createRevocationCache();
  const applied: FeedEntry[] = [];
  const troubles: FeedTrouble[] = [];
  const point: Point = {
    cache,
    applied,
    troubles,
    replaced: 0,
    client: createFeedClient({
      hub: server.url,
      token: 'chub_secret',
      point: 'edge/1',
      cache,
      declaration,
      onApplied: (entries) => applied.push(...entries),
      onReplaced: () => (point.replaced += 1),
      onTrouble: (trouble) => troubles.push(trouble),
      ...more,
    }),
  };
  opened.push(point.client.close);
  return point;
}

/** An entry of its own client, by number. */
export const killOf = (number: number, more: Parameters<typeof anEntry>[0] = {}) => {
  const { position: _position, ...entry } = anEntry({
    id: `rev_${aUlid(number)}`,
    match: { iss: 'https://idp.example', client_id: `agent-${number}` },
    ...more,
  });
  return entry;
};

export const idOf = (number: number): string => `rev_${aUlid(number)}`;

export const denies = ({ cache }: Pick<Point, 'cache'>, number: number): boolean =>
  cache.lookup({ iss: 'https://idp.example', client_id: `agent-${number}` }, 1_763_764_005).length > 0;

/** Looks again until it holds; the timeout is only for a run that fails. */
export const until = <T>(holds: () => T): Promise<T> => vi.waitFor(holds, { timeout: 10_000, interval: 5 });
export const untilTrue = (holds: () => boolean): Promise<void> =>
  until(() => {
    if (!holds()) throw new Error(`never came true: ${holds.toString()}`);
  });

/** Both clocks, moved by hand. */
export function aClock(startMs = 1_763_764_000_000) {
  const clock = { wall: startMs, monotonic: 1_000 };
  return {
    nowMs: () => clock.wall,
    monotonicMs: () => clock.monotonic,
    pass: (ms: number) => {
      clock.wall += ms;
      clock.monotonic += ms;
    },
    jumpWall: (ms: number) => (clock.wall += ms),
  };
}

import { createRevocationCache } from '../../src/enforcement/cache.ts';
import { createFeedClient } from '../../src/enforcement/feed-client.ts';
import type { FeedClient } from '../../src/enforcement/feed-types.ts';
import { createArrivals } from '../arrivals.ts';
import { machineMicros } from '../measure.ts';
import { serveParent } from '../processes.ts';

/** Instances of the library. An entry has arrived when it is in force: every check from then on obeys it. */
const arrivals = createArrivals();
const clients: FeedClient[] = [];

type Opening = {
  readonly url: string;
  readonly token: string;
  readonly point: string;
  readonly count: number;
};

serveParent({
  /** Answers in milliseconds how long it took until all that is live was in force, of the slowest. */
  async open({ url, token, point, count }: Opening) {
    const startedMs = performance.now();
    for (let number = 0; number < count; number += 1)
      clients.push(openOne(url, token, `${point}/library-${number}`));
    arrivals.expect(count);
    await Promise.all(clients.map((client) => client.ready()));
    return performance.now() - startedMs;
  },
  /** Microseconds of the machine's clock, one for each instance. */
  arrivals: (marker: string) => arrivals.all(marker),
  entries: () => clients.map((client) => client.state().entries),
  async close() {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  },
});

function openOne(hub: string, token: string, point: string): FeedClient {
  return createFeedClient({
    ...{ hub, token, point, cache: createRevocationCache() },
    declaration: {
      kind: 'bench',
      version: '1',
      postures: {},
      can: { effects: ['deny'], cut_open_requests: true },
      downstream_cache_seconds: 0,
    },
    onApplied(entries) {
      const now = machineMicros();
      for (const entry of entries) {
        if (entry.op === 'put') arrivals.note(entry.match.client_id ?? '', now, entry.committed_at_ms);
      }
    },
  });
}

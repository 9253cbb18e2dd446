import { createRevocationCache } from '../../src/enforcement/cache.ts';
import type { PutEntry } from '../../src/core/feed.ts';
import type { TokenContext } from '../../src/core/token-context.ts';
import { aContext, someEntries } from '../entries.ts';
import { perSecondSync } from '../measure.ts';
import { serveParent } from '../processes.ts';

/** A set of live entries: what holds them, and how many of them match a token. */
type LiveSet = {
  readonly put: (entry: PutEntry) => void;
  readonly matching: (context: TokenContext, nowSeconds: number) => number;
};

const contextsCount = 4_096;
const sets = { cache: createCacheSet, maps: createMapSet } as const;

let set: LiveSet | undefined;
let contexts: readonly TokenContext[] = [];
const nowSeconds = Math.floor(Date.now() / 1_000);

serveParent({
  /** Fills a set and answers the bytes that it takes for each entry. */
  fill({ kind, count }: { kind: keyof typeof sets; count: number }) {
    const before = bytesUsed();
    set = sets[kind]();
    let last: PutEntry | undefined;
    for (const entry of someEntries(count, nowSeconds * 1_000)) {
      set.put(entry);
      last = entry;
    }
    const bytes = (bytesUsed() - before) / count;
    refuseBlindness(set, last);
    contexts = Array.from({ length: contextsCount }, () => aContext(nowSeconds));
    return bytes;
  },
  /** Looks up whole token contexts, none of them revoked, and answers microseconds for each. */
  look({ times }: { times: number }) {
    const current = set;
    if (!current) throw new Error('fill first');
    let found = 0;
    const rate = perSecondSync(times, (index) => {
      const context = contexts[index % contextsCount];
      if (context) found += current.matching(context, nowSeconds);
    });
    if (found > 0) throw new Error('a token that nobody revoked was found');
    return 1_000_000 / rate;
  },
});

/** Live bytes on the heap and beside it. */
function bytesUsed(): number {
  if (!globalThis.gc) throw new Error('run with --expose-gc');
  for (let turn = 0; turn < 4; turn += 1) globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A set that finds nothing would be fast. */
function refuseBlindness(filled: LiveSet, entry: PutEntry | undefined): void {
  const context = { ...aContext(nowSeconds), ...entry?.match, iat: 0 };
  if (filled.matching(context, nowSeconds) !== 1) throw new Error('the last entry is not found');
}

function createCacheSet(): LiveSet {
  const cache = createRevocationCache();
  return {
    put: (entry) => cache.apply(entry),
    matching: (context, now) => cache.lookup(context, now).length,
  };
}

const bareKinds = ['sub', 'client_id', 'jkt', 'jti', 'sid'] as const;
type BareKind = (typeof bareKinds)[number];
type BareMaps = Readonly<Record<BareKind, Map<string, number>>>;

const bareMaps = (): BareMaps => ({
  sub: new Map(),
  client_id: new Map(),
  jkt: new Map(),
  jti: new Map(),
  sid: new Map(),
});

/**
 * The leanest that one would write by hand: for each issuer a `Map` per kind of name, to the second of the cut-off. It
 * knows neither ids nor conjunctions nor obligations, and can lift nothing.
 */
function createMapSet(): LiveSet {
  const issuers = new Map<string, BareMaps>();
  const keys = new Map<string, number>();
  const mapsOf = (iss: string): BareMaps => {
    const maps = issuers.get(iss) ?? bareMaps();
    issuers.set(iss, maps);
    return maps;
  };
  const isHit = (map: Map<string, number> | undefined, value: string | undefined, iat: number): boolean => {
    const cutOff = value === undefined ? undefined : map?.get(value);
    return cutOff !== undefined && iat <= cutOff;
  };
  return {
    put({ match, cut_off: cutOff = Number.MAX_SAFE_INTEGER }) {
      for (const kind of bareKinds) {
        const value = match[kind];
        if (value === undefined) continue;
        if (kind === 'jkt') keys.set(value, cutOff);
        else mapsOf(match.iss ?? '')[kind].set(value, cutOff);
      }
    },
    matching({ iss, sub, client_id: clientId, jkt, jti, sid, iat = 0, act = [] }) {
      const maps = issuers.get(iss);
      let found = 0;
      if (isHit(keys, jkt, iat)) found += 1;
      if (isHit(maps?.jti, jti, iat)) found += 1;
      if (isHit(maps?.sid, sid, iat)) found += 1;
      if (isHit(maps?.sub, sub, iat)) found += 1;
      if (isHit(maps?.client_id, clientId, iat)) found += 1;
      for (const actor of act) {
        const actors = issuers.get(actor.iss);
        if (isHit(actors?.sub, actor.sub, iat)) found += 1;
        if (isHit(actors?.client_id, actor.client_id, iat)) found += 1;
      }
      return found;
    },
  };
}

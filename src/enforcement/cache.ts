import type { Cursor, FeedEntry, PutEntry } from '../core/feed.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { Seconds } from '../core/vocabulary.ts';

/**
 * The live set, exact and in few bytes: every entry is packed into an arena and filed under one of its members; what a
 * look-up finds there is decided by `core/match.ts`. All calls are synchronous and short, whatever the size.
 */
export type RevocationCache = {
  /** Entries in the set: put and neither lifted nor dropped. A clock does not change it. Orphans are not counted. */
  readonly size: number;
  /** Everything up to here has been applied. Set by whoever feeds the cache. */
  position: Cursor | undefined;
  /** As a heartbeat says it (`formatDigest`). */
  readonly digest: () => string;
  /** A put of an id that is there replaces it. What is not understood is not applied, and kept in digest and iteration. */
  readonly apply: (entry: FeedEntry) => void;
  /** Every entry that matches now, an unknown effect as `deny`. The same empty array when there is none. */
  readonly lookup: (context: TokenContext, nowSeconds: Seconds) => readonly PutEntry[];
  readonly get: (id: string) => PutEntry | undefined;
  /** The whole set as it was received, in no particular order. Entries that come or go meanwhile may be missing or present. */
  readonly entries: () => IterableIterator<PutEntry>;
  /** Entries that were not applied, and why; at most `refusedListedMax`. */
  readonly refused: () => readonly Refused[];
  readonly refusedCount: number;
  /** Goes on enforcing an entry that the hub no longer has; a lift or put of its id ends that. */
  readonly adoptOrphan: (entry: PutEntry) => void;
  readonly orphans: () => readonly PutEntry[];
  readonly orphanCount: number;
  readonly forgetOrphan: (id: string) => void;
  /** Takes over the whole content of another cache, which must not be used afterwards. */
  readonly replaceBy: (other: RevocationCache) => void;
};

export type Refused = { readonly id: string; readonly why: string };

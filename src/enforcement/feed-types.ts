import type {
  Cursor,
  FeedConfiguration,
  FeedEntry,
  InstanceDeclaration,
  RefusalReport,
  SightingReport,
} from '../core/feed.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { RevocationCache } from './cache.ts';

/** Time is passed in. `monotonicMs` never jumps; it may be fractional and starts anywhere. */
export type Clock = { readonly nowMs: () => Millis; readonly monotonicMs: () => number };

export type FeedClientOptions = {
  /** Base address of the hub. `https`, or `http` on a loopback address. */
  readonly hub: string;
  readonly token: string;
  /** `<point>/<instance>`: who this process is to the hub. */
  readonly point: string;
  /** What the client fills and keeps current. Nobody else applies to it. */
  readonly cache: RevocationCache;
  /** What this process says of itself with each receipt. */
  readonly declaration: InstanceDeclaration;
  /** The set survives a restart in this file (mode 0600): a point that starts without its hub is not blind. */
  readonly snapshotFile?: string;
  readonly clock?: Clock;
  /** Issuers and nonce keys, at start from disk if there, then whenever they change. */
  readonly onConfiguration?: (configuration: FeedConfiguration) => void;
  /** These are in force from now on. Called in the same turn in which their bytes arrived. */
  readonly onApplied?: (entries: readonly FeedEntry[]) => void;
  /** The whole set was replaced (snapshot, disk): whatever is open is to be looked up again. */
  readonly onReplaced?: () => void;
  readonly onState?: (state: FeedState) => void;
  /** What went wrong and was survived, for a log. */
  readonly onTrouble?: (trouble: FeedTrouble) => void;
};

export type FeedClient = {
  readonly state: () => FeedState;
  /** Milliseconds since this process had applied all that the hub knew: since start, if that never was; counted from the file's age after a cold start. */
  readonly staleMs: () => number;
  /** Resolves when a set is in force for the first time, from disk or hub; rejects only by `stop`. */
  readonly ready: (stop?: AbortSignal) => Promise<void>;
  /** The enforcer refused a request because of these entries: the first time for each goes into a receipt. */
  readonly denied: (entries: readonly { readonly id: string }[]) => void;
  /** Batched, merged, bounded; never waits. */
  readonly report: (refusal: RefusalReport) => void;
  readonly sight: (sighting: SightingReport) => void;
  /** Stop enforcing entries of an older epoch that the hub no longer has. */
  readonly forgetOrphans: (ids: readonly string[]) => void;
  /** Says goodbye to the hub, sends what it has to report for some seconds at most, writes the snapshot file and ends. Idempotent. */
  readonly close: () => Promise<void>;
};

export type FeedState = {
  readonly connection: 'connecting' | 'open' | 'waiting' | 'closed';
  /** A whole set is in force; where it came from. Without one, nothing is known of what happened before. */
  readonly set: 'none' | 'disk' | 'hub';
  /** Everything up to here is in force. */
  readonly applied: Cursor | undefined;
  /** The hub confirmed within the last heartbeats that nothing is missing, and neither a pause nor a jump of the clock came since. */
  readonly fresh: boolean;
  /** The digest still differed after a new snapshot. Staleness counts from when it last did not. */
  readonly divergent: boolean;
  readonly entries: number;
  readonly orphans: number;
  readonly refused: number;
};

/** `code` is stable: `unauthorized`, `unreachable`, `gap`, `position-gone`, `bad-event`, `bad-snapshot`, `digest-mismatch`, `divergent`, `new-epoch`, `paused`, `clock-jump`, `disk`, `callback`, `reports-dropped`. */
export type FeedTrouble = { readonly code: FeedTroubleCode; readonly text: string; readonly cause?: unknown };
export type FeedTroubleCode =
  | 'unauthorized'
  | 'unreachable'
  | 'gap'
  | 'position-gone'
  | 'bad-event'
  | 'bad-snapshot'
  | 'digest-mismatch'
  | 'divergent'
  | 'new-epoch'
  | 'paused'
  | 'clock-jump'
  | 'disk'
  | 'callback'
  | 'reports-dropped';

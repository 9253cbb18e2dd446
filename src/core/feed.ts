import type { CutOffBasis, Effect, Match, Reach, Restrict, StepUp } from './revocation.ts';
import type { IssuerSettings } from './issuer.ts';
import type { Millis, Seconds } from './vocabulary.ts';

/** The version of the entry format. A point does not apply an entry whose `v` it does not know, and says so. */
export const entryVersion = 1;

/**
 * A place in the feed. On the wire `epoch-seq` ("7f3a9c01-1042"); a cursor (SSE `id`, `?from=`) adds the chained check
 * value, `epoch-seq-check`, by which the hub notices that it or the point was restored from an older copy.
 */
export type Position = { readonly epoch: string; readonly seq: number };
export type Cursor = Position & { readonly check?: string };

/** `put`, as it travels in the feed and in a snapshot. */
export type PutEntry = {
  readonly v: number;
  readonly op: 'put';
  readonly id: string;
  readonly position: string;
  readonly match: Match;
  readonly reach: Reach;
  readonly effect: Effect;
  readonly cut_off?: Seconds;
  readonly cut_off_basis?: CutOffBasis;
  readonly lapses_at?: Seconds;
  readonly step_up?: StepUp;
  readonly restrict?: Restrict;
  readonly reason: string;
  readonly signal_id: string;
  readonly agent?: string;
  readonly committed_at_ms: Millis;
};

/** `lift` ends a denial; `drop` forgets an entry that has lapsed. Both name one id. */
export type RemoveEntry = {
  readonly v: number;
  readonly op: 'lift' | 'drop';
  readonly id: string;
  readonly position: string;
  readonly committed_at_ms: Millis;
};

export type FeedEntry = PutEntry | RemoveEntry;

/** In a stream every entry also names the position before it: a gap shows. Snapshot lines have no `prev`. */
export type StreamedEntry = FeedEntry & { readonly prev: string };

/** The `event:` names of a stream: `hello` first, `goodbye` last, `configuration` (a `FeedConfiguration`) whenever it changes. */
export const feedEvents = ['hello', 'configuration', 'put', 'lift', 'drop', 'heartbeat', 'goodbye'] as const;

/** First event of a stream. `from` is the position after which entries follow. */
export type Hello = {
  readonly epoch: string;
  readonly head: string;
  readonly from: string;
  readonly tail_start: string;
  readonly heartbeat_ms: number;
};

/** Sent after `hello` and whenever it changes: whole, idempotent, not part of the log. Nonce keys go to points only. */
export type FeedConfiguration = {
  readonly issuers: readonly IssuerSettings[];
  /** Shared by the instances of one point so that replicas agree on DPoP nonces; base64url, 32 bytes each. */
  readonly nonce_keys?: readonly {
    readonly kid: string;
    readonly key: string;
    readonly from: Seconds;
    readonly until: Seconds;
  }[];
};

/** `through`: every entry up to here has been written to this connection. A node that could not read its head sends `stale: true` without it. */
export type Heartbeat = {
  readonly through?: string;
  readonly digest?: string;
  readonly as_of_ms: Millis;
  readonly stale: boolean;
};

export type Goodbye = { readonly reason: string; readonly retry_ms: number };

/** First line of a snapshot (`application/x-ndjson`); then one `PutEntry` a line; then the trailer. */
export type SnapshotHeader = FeedConfiguration & {
  readonly v: number;
  readonly position: string;
  readonly cursor: string;
  /** How many entries will follow: to make room for them. The trailer's count is what is compared. */
  readonly count: number;
};

/**
 * The same set as the library's own cache holds it, for points that ask for it: the header line with the words, rows
 * (`enforcement/cache/row.ts`) up to one of no bytes, the trailer line. The name says the version of the rows.
 */
export const packedSnapshotType = 'application/vnd.caep-hub.packed-1';
export type PackedSnapshotHeader = SnapshotHeader & { readonly words: readonly string[] };
export type SnapshotTrailer = { readonly count: number; readonly digest: string };

/** `POST /v1/points/receipts`. Cumulative: everything up to `applied` is in force at this instance. */
export type ReceiptBody = {
  /** A cursor, `epoch-seq-check`. Absent on the first receipt of an instance that has nothing yet. */
  readonly applied?: string;
  /** From the arrival of the newest entry's bytes to its being in force, on the point's monotonic clock. */
  readonly applied_after_ms?: number;
  readonly instance: InstanceDeclaration;
  /** Since the point last confirmed a heartbeat's `through`. */
  readonly stale_ms: number;
  /** The first request each revocation denied here. */
  readonly first_denied?: readonly { readonly id: string; readonly after_ms: number }[];
  /**
   * All live entries that it did not apply, and those whose effect is beyond it, as of now. Who has more of them than
   * `inabilitiesListedMax` in a list keeps `applied` before the first that it does not tell.
   */
  readonly refused?: readonly Inability[];
  readonly cannot?: readonly Inability[];
  /** Entries of an older epoch that are still enforced though the new one does not have them. */
  readonly orphans?: readonly string[];
  readonly divergent?: boolean;
  /** The instance ends and is not to be waited for. */
  readonly goodbye?: boolean;
};
export type Inability = { readonly id: string; readonly why: string };
/** Of each list of one receipt. */
export const inabilitiesListedMax = 100;
export type ReceiptAnswer = { readonly next_receipt_ms: number };

/** What an instance says of itself with each receipt. */
export type InstanceDeclaration = {
  readonly kind: string;
  readonly version: string;
  /** Route class → what happens to unknown tokens when the feed is silent. */
  readonly postures: { readonly [routeClass: string]: Posture };
  readonly can: { readonly effects: readonly Effect[]; readonly cut_open_requests: boolean };
  /** The longest time that caches in front of this point repeat an old decision. */
  readonly downstream_cache_seconds: number;
};

/** `fail_closed_after`: refuse after so many seconds without news; `allow_reads_after`: then refuse all but safe methods; `fail_open`: never. */
export type Posture =
  | { readonly fail_closed_after: Seconds }
  | { readonly allow_reads_after: Seconds }
  | { readonly fail_open: true };

/** `POST /v1/points/reports`: what was refused or seen, batched, without tokens. */
export type ReportBody = {
  /** The same over retries, and of no other batch: what a batch says is kept once, however often it is sent. */
  readonly batch_id: string;
  readonly refusals?: readonly RefusalReport[];
  readonly sightings?: readonly SightingReport[];
};
export type RefusalReport = {
  readonly at_ms: Millis;
  readonly code: string;
  readonly decision_id: string;
  /** The token was valid and bound to a key, and a whole proof for it came by another one, `presented_jkt`. */
  readonly theft?: boolean;
  readonly iss?: string;
  readonly sub?: string;
  readonly client_id?: string;
  readonly jti?: string;
  readonly token_sha256?: string;
  readonly bound_jkt?: string;
  readonly presented_jkt?: string;
  readonly address?: string;
  readonly revocation_id?: string;
  readonly count: number;
};
export type SightingReport = {
  readonly first_at_ms: Millis;
  readonly last_at_ms: Millis;
  readonly count: number;
  readonly iss: string;
  readonly sub?: string;
  readonly client_id?: string;
  readonly jkt?: string;
  readonly act?: readonly { readonly iss: string; readonly sub?: string; readonly client_id?: string }[];
};

/**
 * The digest as it travels: four unsigned 32-bit lanes, each 8 hex digits, the first lane first. Each lane is the sum
 * modulo 2^32 of the same big-endian word of SHA-256(id ‖ position) over the entries put and not removed.
 */
export const formatDigest = (lanes: readonly number[] | Uint32Array): string =>
  Array.from(lanes, (lane) => lane.toString(16).padStart(8, '0')).join('');

export const formatPosition = (position: Position): string => `${position.epoch}-${position.seq}`;

export const epochShape = /^[0-9a-f]{4,16}$/;
const cursorShape = /^([0-9a-f]{4,16})-(0|[1-9][0-9]{0,15})(?:-([0-9a-f]{16}))?$/;

/** `undefined` for anything that is not a position or cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const parts = cursorShape.exec(text);
  if (!parts?.[1] || !parts[2]) return undefined;
  const seq = Number(parts[2]);
  if (!Number.isSafeInteger(seq)) return undefined;
  return { epoch: parts[1], seq, ...(parts[3] ? { check: parts[3] } : {}) };
}

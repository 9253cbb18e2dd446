import type { Inability, InstanceDeclaration } from '../core/feed.ts';
import type { IssuerSettings } from '../core/issuer.ts';
import type { JsonObject, Millis, PointName, SignalId, TokenId } from '../core/vocabulary.ts';
import type { Caller } from '../http/caller.ts';
import type { EnforceableSignal } from '../http/signal-answer.ts';
import type { AuditEntry } from '../pipeline/ports.ts';

export type Clock = {
  nowMs(): Millis;
  /** For durations: never goes back. */
  monotonicMs(): number;
};

/** Something that a person must look at. `kind` is stable and counted in metrics. */
export type Alert = (kind: AlertKind, detail: JsonObject) => void;
export type AlertKind = 'feed-unreadable' | 'feed-diverged' | 'feed-epoch-opened' | 'receipts-unwritten';

export type FeedHead = {
  readonly epoch: string;
  readonly seq: number;
  /** 16 hexadecimal digits. */
  readonly check: string;
  /** As `formatDigest` spells it. */
  readonly digest: string;
};

export type LogRow = {
  readonly seq: number;
  readonly epoch: string;
  readonly op: 'put' | 'lift' | 'drop';
  readonly revocationId: string;
  /** JSON object without position, prev and committed_at_ms. */
  readonly body: string;
  readonly check: string;
  readonly committedAtMs: Millis;
};

/** A live entry as the table of revocations has it; `body` is what the log would say. */
export type LiveRow = Omit<LogRow, 'op' | 'check'>;

/** The feed as it is stored. Every read is one statement, at most `limit` rows, in order. */
export type FeedLog = {
  /** The head and the entries after `seq` that it counts: one consistent look. */
  readAfter(
    seq: number,
    limit: number,
  ): Promise<{ readonly head: FeedHead; readonly rows: readonly LogRow[] }>;
  /** Live entries with a sequence above `seq`. They may move forward between two calls, never back. */
  readLive(seq: number, limit: number): Promise<readonly LiveRow[]>;
  /**
   * Opens a new epoch, audited in the same transaction, unless the epoch is no longer `epoch` or was opened less
   * than `intervalMs` ago. Entries keep their positions.
   */
  openEpoch(request: OpenEpoch): Promise<'opened' | 'not-now'>;
};
export type OpenEpoch = {
  readonly epoch: string;
  readonly because: string;
  readonly intervalMs: number;
  readonly audit: AuditEntry;
};

/** 32 bytes that nobody can foretell without the hub's secret, always the same for a label. */
export type DeriveKey = (label: string) => Uint8Array;
/** Read whenever `configuration` is announced, and once a second. */
export type ListIssuers = () => readonly IssuerSettings[];
/** Calls back once when the token is revoked or expires, also when it was by now. Answers a function that ends the watch. */
export type WatchToken = (
  token: { readonly tokenId: TokenId; readonly expiresAtMs?: Millis },
  callback: () => void,
) => () => void;
/** Throws the problem with which `IssuePointToken` would refuse this caller: a point without a token is waited for in vain. */
export type CheckPointToken = (point: PointName, caller: Caller) => void;
/** Makes a token of scope `point`. The secret is shown once. */
export type IssuePointToken = (
  point: PointName,
  caller: Caller,
  correlationId: string,
) => Promise<{ readonly id: string; readonly secret: string }>;

export type Point = {
  readonly name: PointName;
  /** Fewer instances than this are never "everywhere". */
  readonly expect: number;
  /** Instances that fall silent leave by themselves, after their budget and a grace. */
  readonly ephemeral: boolean;
  readonly createdAtMs: Millis;
  readonly retiredAtMs?: Millis;
};

export type PointStore = {
  /** Every point, by name; retired ones too. There are at most `pointsMax`. */
  list(): Promise<readonly Point[]>;
  /** @throws Problem `conflict` when the name is taken, or there are `pointsMax`. */
  add(point: Point, audit: AuditEntry): Promise<void>;
  /** Its tokens are revoked in the same transaction. `false` when there is no such point, or it was retired before. */
  retire(name: PointName, atMs: Millis, audit: AuditEntry): Promise<boolean>;
};
export const pointsMax = 500;

/** What is known of one instance. */
export type Instance = {
  readonly point: PointName;
  readonly instance: string;
  readonly declared: InstanceDeclaration;
  readonly reported: Reported;
  readonly appliedEpoch?: string;
  readonly appliedSeq?: number;
  readonly firstSeenMs: Millis;
  readonly lastSeenMs: Millis;
  /** No heartbeat was written to it after this; lies ahead while it is connected. */
  readonly fedUntilMs?: Millis;
  /** It said goodbye. */
  readonly leftAtMs?: Millis;
};
/** The parts of its newest receipt that it is judged by and that people are shown, wire spelling. */
export type Reported = {
  readonly stale_ms: number;
  readonly orphans?: readonly string[];
  readonly divergent?: boolean;
  readonly refused?: readonly Inability[];
  readonly cannot?: readonly Inability[];
};

/** One receipt: covers `afterSeq < position ≤ throughSeq`. */
export type Receipt = {
  readonly point: PointName;
  readonly instance: string;
  readonly afterSeq: number;
  readonly throughSeq: number;
  readonly receivedAtMs: Millis;
  readonly appliedAfterMs?: number;
};

/** The first request that an instance refused because of a revocation: kept for whoever looks into a kill later. */
export type FirstDenial = {
  readonly point: PointName;
  readonly instance: string;
  readonly revocationId: string;
  /** From the entry's being in force, on the point's clock. */
  readonly afterMs: number;
  readonly receivedAtMs: Millis;
};

/** Batches are at most `batchMax` rows of each kind; repeating one changes nothing. */
export type ReceiptStore = {
  write(batch: ReceiptBatch): Promise<void>;
  /**
   * Instances heard of or fed since `sinceMs`, by any node: at most `instancesMax`, and of one point `pointInstancesMax`.
   * Those that said goodbye come last, the others as they were heard of, the latest first.
   */
  readInstances(sinceMs: Millis): Promise<readonly Instance[]>;
  /** When each instance first covered `seq`. */
  readFirstReceipts(seq: number): Promise<readonly Receipt[]>;
  /** However long ago it was: the log may have forgotten it. `undefined` when there is no such signal. */
  readSignalEntries(signal: EnforceableSignal): Promise<SignalEntries | undefined>;
};
export type ReceiptBatch = {
  /** Their `fedUntilMs` is not written: `fed` is. What another node wrote later stands. */
  readonly instances: readonly Instance[];
  readonly receipts: readonly Receipt[];
  readonly denials: readonly FirstDenial[];
  readonly fed: readonly FedLease[];
};
/** Told by the node that holds the stream. */
export type FedLease = { readonly point: PointName; readonly instance: string; readonly fedUntilMs: Millis };
export type SignalEntries = {
  /** Of the last of them. */
  readonly committedAtMs: Millis;
  /** The live ones, also those that another signal has moved forward since. */
  readonly puts: readonly { readonly id: string; readonly effect: string }[];
};
export const batchMax = 500;
/** That a node knows. */
export const instancesMax = 10_000;
/** Whoever holds the token of a point can invent names: they crowd out nobody else's. */
export const pointInstancesMax = 2_000;
/** An instance that left is remembered for so long: longer than any budget and cache together. */
export const instancesKeptMs = 3 * 86_400_000;

/** @returns how many it has forgotten. */
export type ForgetInstances = (request: {
  /** Those that left before, and those of points that were retired before. */
  readonly beforeMs: Millis;
  readonly stop: AbortSignal;
}) => Promise<number>;

export type Report = {
  readonly id: string;
  readonly point: PointName;
  readonly instance: string;
  readonly kind: 'refusal' | 'sighting';
  readonly detail: JsonObject;
  readonly receivedAtMs: Millis;
};
/** `said`: 32 bytes, the same whenever the same is said again. */
export type NewReport = Report & { readonly said: Uint8Array };
export type ReportStore = {
  /** All or none; those that were said before are passed over. @returns how many were new. */
  write(reports: readonly NewReport[]): Promise<number>;
  /** Newest first. */
  list(query: ReportQuery): Promise<readonly Report[]>;
};
export type ReportQuery = {
  readonly point?: string;
  readonly kind?: Report['kind'];
  /** Id of the report before the first. */
  readonly before?: string;
  readonly limit: number;
};
/** The position that carries the whole of a signal; `undefined` when there is no such signal. */
export type FindSignalSeq = (signalId: SignalId) => Promise<{ readonly lastSeq?: number } | undefined>;

import type { HandledSignal } from '../core/handled-signal.ts';
import type { Statement } from '../core/signal.ts';
import type { JsonObject, Millis, Seconds, SignalId } from '../core/vocabulary.ts';

/**
 * The one way anything is put, lifted or recorded. Resolves, decides, limits and commits in ONE transaction, then
 * announces. Resolves only after the commit: what it answers survives `kill -9`.
 *
 * Idempotent per source and external id: the same body again answers the first answer with `duplicate`,
 * another body is the problem `id-reused`. With `dryRun` nothing is written and nothing counts.
 *
 * @throws Problem `storage-unavailable` when the database is gone, frozen or full: nothing was acknowledged.
 */
export type HandleSignal = (statement: Statement, options?: HandleOptions) => Promise<HandledSignal>;

/**
 * Checks what a caller said at one of our own doors and makes it a statement: event type, its members, the subject, and
 * whether the source may say it.
 *
 * @throws Problem `unknown-event-type`, `source-not-allowed`, `invalid-request` and those of `parseSubject`, with pointers
 * into the caller's input.
 */
export type MakeStatement = (said: SaidSignal) => Statement;

export type SaidSignal = Pick<
  Statement,
  'source' | 'actor' | 'externalId' | 'body' | 'subject' | 'confidence' | 'reason' | 'correlationId'
> & {
  /** Short name or URI. */
  readonly event: string;
  readonly data?: JsonObject;
  /** Absent: the `event_timestamp` in the data, else now. */
  readonly eventTime?: Seconds;
  /** Absent: a fresh one. */
  readonly txn?: string;
  /** From a Transmitter: its event is taken as it was said, nothing is filled in, and it may have been heard here before. */
  readonly relayed?: true;
  /** What must be the same when the external id comes again; absent: the body. */
  readonly sameness?: Uint8Array;
  /** Where the caller's input has them; absent: `/event`, `/subject`, `/data`. */
  readonly paths?: { readonly event?: string; readonly subject?: string; readonly data?: string };
};

export type HandleOptions = {
  readonly dryRun?: boolean;
  /** Somebody released it: what enough have approved does not hold it again. */
  readonly released?: { readonly signalId: SignalId; readonly by: string };
};

/** "Look at your position", to every reader on every node. Carries no data; losing one costs a poll interval. */
export type Announcer = {
  announce(topic: Topic): void;
  /** Returns a function that ends the subscription. Listeners never throw. */
  subscribe(topic: Topic, listener: () => void): () => void;
};
export const topics = [
  'feed',
  'receipts',
  'tokens',
  'configuration',
  'streams',
  'deliveries',
  'keys',
] as const;
export type Topic = (typeof topics)[number];

/** This node's view of a few rows: what is read again and again without a query. It follows their announcements. */
export type FollowedRows<Row> = {
  all(): readonly Row[];
  /** Calls back after each reading. */
  onRead(listener: () => void): void;
  /** Reads the store again. A failure keeps what is known and rejects. */
  refresh(): Promise<void>;
  /** Resolves when every change that was announced before has been read, or could not be. Never rejects. */
  settled(): Promise<void>;
  close(): void;
};

/** One row of the append-only audit; committed with its cause. `detail` carries no secrets and no whole tokens. */
export type AuditEntry = {
  readonly atMs: Millis;
  readonly actor: string;
  /** `noun.verb`: `signal.accepted`, `revocation.lifted`, `token.revoked`. */
  readonly action: string;
  readonly target: string;
  readonly outcome: 'done' | 'refused';
  readonly correlationId?: string;
  readonly txn?: string;
  readonly detail?: JsonObject;
};

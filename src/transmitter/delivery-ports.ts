import type { SetClaims, SignedSet } from '../core/set-claims.ts';
import type { SigningAlgorithm } from '../core/stream.ts';
import type { Trying } from '../core/retry-waits.ts';
import type { JsonObject, Millis, SetId, StreamId } from '../core/vocabulary.ts';
import type { By, PushAnswer } from './ports.ts';

/** One SET on its way, in the hands of who claimed it. */
export type Claim = {
  readonly id: SetId;
  readonly streamId: StreamId;
  readonly claims: SetClaims;
  readonly algorithm: SigningAlgorithm;
  /** As signed before; absent: it never left. */
  readonly signed?: SignedSet;
  /** This one included. */
  readonly attempts: number;
  readonly createdAtMs: Millis;
  /** Of this claim: whoever claims it later has a higher one. */
  readonly fence: number;
};

export type ClaimedPush = Claim & {
  readonly endpointUrl: string;
  readonly authorization?: string;
  /** Of the stream, up to now. */
  readonly failuresInRow: number;
  readonly trying: Trying;
  /** Of the attempt before this one. */
  readonly previousErr?: string;
  /** When it left for the first time. */
  readonly firstSentAtMs?: Millis;
  /** Why nothing can be sent to this stream. */
  readonly fault?: string;
};

/** How one attempt ended. `retry` comes again at `dueAtMs`. */
export type Settlement = Pick<Claim, 'id' | 'fence'> &
  (
    | { readonly state: 'delivered'; readonly answer?: PushAnswer }
    | { readonly state: 'dead'; readonly answer: PushAnswer }
    | { readonly state: 'retry'; readonly answer: PushAnswer; readonly dueAtMs: Millis }
  );

/** What the endpoint of a stream has been like. */
export type EndpointState = {
  readonly streamId: StreamId;
  readonly failuresInRow: number;
  readonly blockedUntilMs: Millis;
  /** It was thought to be gone and is there: nothing waits for its own next attempt any more. */
  readonly isBack: boolean;
  readonly trying: Trying;
};

/**
 * The rows are the truth: whatever is pending, due and not claimed is found by the next who looks, whoever forgot it.
 * Of one principal on one stream only the first that is pending can be claimed, so that they arrive in order.
 */
export type DeliveryStore = {
  /**
   * Claims what is due for push until `untilMs`: streams take turns, and of each denials go first. `room`: how many more a
   * stream may have that has some on their way; the others may have `roomMax`. A stream that failed `trialFrom` times in a
   * row gets one, if it has none: what was tried least, so that nothing that is refused alone is in the way of the others.
   */
  claimPushes(ask: {
    readonly nowMs: Millis;
    readonly untilMs: Millis;
    readonly room: ReadonlyMap<StreamId, number>;
    readonly roomMax: number;
    readonly trialFrom: number;
    readonly limit: number;
  }): Promise<readonly ClaimedPush[]>;
  /** Whose claim still holds, and whose stream still sends: nothing else may leave any more. */
  findMayLeave(claims: readonly Pick<Claim, 'id' | 'fence'>[]): Promise<ReadonlySet<SetId>>;
  /** Claims still held are held longer. */
  keepClaims(claims: readonly Pick<Claim, 'id' | 'fence'>[], untilMs: Millis): Promise<void>;
  /**
   * Before the first byte leaves. @returns whose claim still holds, and whose stream still sends: only these may be sent.
   */
  storeSigned(
    signed: readonly (Pick<Claim, 'id' | 'fence'> & { readonly signed: SignedSet })[],
    nowMs: Millis,
  ): Promise<ReadonlySet<SetId>>;
  /** Only by the newest claim. */
  settle(
    settlements: readonly Settlement[],
    endpoints: readonly EndpointState[],
    nowMs: Millis,
  ): Promise<void>;
  /**
   * SETs for one poll, handed out until `untilMs` and again afterwards: of each principal in order, the kills that come
   * first there before what waits longer. Of a stream that is not enabled only those about the stream itself.
   */
  takeForPoll(
    streamId: StreamId,
    ask: { readonly nowMs: Millis; readonly untilMs: Millis; readonly limit: number },
  ): Promise<{ readonly taken: readonly Claim[]; readonly more: boolean }>;
  /**
   * Of what was handed out: what is signed by a key that is not served any more may be taken again at once, and is then
   * signed anew. @returns those.
   */
  giveAgain(
    streamId: StreamId,
    ids: readonly string[],
    isServed: (kid: string) => boolean,
  ): Promise<ReadonlySet<string>>;
  /** Unknown ids, and those of other streams, change nothing. @returns those that are dead now. */
  acknowledge(
    streamId: StreamId,
    acks: readonly string[],
    errors: ReadonlyMap<string, PushAnswer>,
    nowMs: Millis,
  ): Promise<readonly SetId[]>;
};

/** Which of the streams have something that a poll may take now: one statement for a hundred of them. */
export type FindToTake = (streams: readonly StreamId[], nowMs: Millis) => Promise<ReadonlySet<StreamId>>;

export const deliveryStates = ['pending', 'delivered', 'dead', 'cancelled'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** For people: what a stream was sent, and what waits or did not get through. */
export type DeliveryLog = {
  /**
   * Newest first. It looks at a bounded part of the rows: a page may be short, or empty, and yet go on at `next`; where
   * that is absent, this was all.
   */
  list(
    streamId: StreamId,
    filter: DeliveryFilter,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<{ readonly items: readonly DeliveryRecord[]; readonly next?: number }>;
  find(streamId: StreamId, id: string): Promise<DeliveryDetail | undefined>;
};
/** All that are given hold. */
export type DeliveryFilter = {
  readonly state?: DeliveryState;
  readonly eventType?: string;
  /** A principal, or any value in the subject, such as an address. */
  readonly subject?: string;
  readonly signalId?: string;
  /** Made then or later. */
  readonly sinceMs?: Millis;
};
export type DeliveryRecord = {
  readonly seq: number;
  readonly id: SetId;
  readonly state: DeliveryState;
  readonly eventType: string;
  readonly principal: string;
  readonly subject: JsonObject;
  readonly signalId?: string;
  readonly attempts: number;
  readonly createdAtMs: Millis;
  /** Of one that is pending: not tried before. */
  readonly dueAtMs?: Millis;
  readonly firstSentAtMs?: Millis;
  readonly settledAtMs?: Millis;
  /** The last word of the receiver, or what came instead of one. */
  readonly answer?: PushAnswer;
};
export type DeliveryDetail = DeliveryRecord & { readonly claims: SetClaims; readonly kid?: string };

/**
 * Makes dead ones pending and due again, oldest first and some hundreds in a transaction, each with its audit row: what was
 * interrupted goes on when it is asked again. With `dryRun` only counts. After some ten thousand it looks no further, and
 * says that there may be `more`.
 *
 * What says no longer what holds is not sent again, and stays dead: a later one of the same family, such as that the
 * account was disabled again, outdates it. Whatever else a principal was sent meanwhile, or is while this goes on, may
 * arrive before.
 *
 * @throws Problem `stream-not-enabled` for a disabled stream.
 */
export type Replay = (
  streamId: StreamId,
  which: ReplayRange,
  options: { readonly dryRun: boolean; readonly by: By },
) => Promise<{ readonly count: number; readonly outdated: number; readonly more: boolean }>;
/** All that are given hold. */
export type ReplayRange = {
  readonly ids?: readonly string[];
  /** When they were made; both included. */
  readonly fromMs?: Millis;
  readonly untilMs?: Millis;
};

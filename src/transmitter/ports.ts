import type { SetClaims, SignedSet } from '../core/set-claims.ts';
import type {
  SigningAlgorithm,
  Stream,
  StreamDelivery,
  StreamProfile,
  StreamSubject,
} from '../core/stream.ts';
import type { SubjectList } from '../core/subject-matching.ts';
import type { JsonObject, Millis, StreamId } from '../core/vocabulary.ts';
import type { AuditEntry } from '../pipeline/ports.ts';

/** Who asks for a change, for the audit row that commits with it. */
export type By = Pick<AuditEntry, 'actor' | 'atMs' | 'correlationId'>;

/**
 * Every change of what goes where counts `hub.stream_changes` up in its transaction and announces `streams` after it; one
 * that brings SETs or may let waiting ones go announces `deliveries`. All are audited.
 */
export type StreamStore = {
  /** @throws Problem `too-many-streams` when the receiver has `streamsPerReceiverMax`, `invalid-request` when it is a revoked client. */
  create(stream: Stream, authorization: string | undefined, by: By): Promise<void>;
  /** Oldest first. */
  list(page: {
    /** Absent: of all receivers. */
    readonly receiver?: string;
    readonly after?: { readonly atMs: Millis; readonly id: string };
    readonly limit: number;
  }): Promise<readonly Stream[]>;
  find(id: StreamId): Promise<Stream | undefined>;
  /**
   * Reads, changes and writes it under a lock. `change` may throw, and be asked more than once; when it answers nothing,
   * all stays as it is. `undefined`: there is no such stream.
   *
   * @throws Problem `invalid-request` for what enables a stream of a revoked client.
   */
  update(
    id: StreamId,
    change: (stream: Stream) => StreamChange | undefined,
    by: By,
  ): Promise<Stream | undefined>;
  /** It is gone, and nothing of it leaves any more; its SETs and subjects are swept later. `false`: there is none. */
  remove(id: StreamId, by: By): Promise<boolean>;
  /** For one push; decrypted. */
  authorizationOf(id: StreamId): Promise<string | undefined>;
  /** Restarts the time after which it counts as inactive. May lag by seconds. */
  noteActivity(id: StreamId, atMs: Millis): Promise<void>;
  /** Those that are enabled and whose time of inactivity is over; the longest silent first. */
  listInactive(nowMs: Millis, limit: number): Promise<readonly StreamId[]>;
};

/** What is known of who a stream is to be for. `undefined`: there is no such client, or it was revoked. */
export type FindReceiver = (
  receiver: string,
) => Promise<{ readonly profile?: StreamProfile | undefined } | undefined>;

export type StreamChange = {
  readonly stream: Stream;
  /** Absent: as it was; `null`: none any more. */
  readonly authorization?: string | null;
  /** About the stream itself, committed with the change; their claims are fixed. */
  readonly sets?: readonly SetClaims[];
  /**
   * Pending SETs that are dropped: on `disabled`, all but those that say how the status of the stream changed. Some may be
   * left for the sweep; none is when the stream may send again.
   */
  readonly drops?: 'all';
  readonly audit: { readonly action: string; readonly detail?: JsonObject };
};

export type StreamSubjectStore = {
  /**
   * What the latest call said of this very subject. It replaces what was said of it before, and is kept only where it makes
   * a difference: a stream that has everybody need not list one of them. What makes none is audited, and no change.
   *
   * @throws Problem `not-found` when the stream has gone, `too-many-subjects` when it lists `subjectsPerStreamMax`, or
   * `subjectBytesPerStreamMax` bytes of them, `too-many-subject-shapes` when a complex one has other members than all that are
   * listed, which have `subjectShapesPerStreamMax` combinations.
   */
  put(id: StreamId, subject: StreamSubject, by: By): Promise<void>;
  count(id: StreamId): Promise<number>;
};

/** Everything that decides what goes where, as of `version` or later. */
export type StreamDirectory = {
  readonly version: number;
  readonly streams: readonly ListedStream[];
};
export type ListedStream = Pick<
  Stream,
  'id' | 'receiver' | 'aud' | 'profile' | 'eventsDelivered' | 'status' | 'defaultSubjects' | 'algorithm'
> & {
  readonly method: StreamDelivery['method'];
  readonly subjects: FollowedSubjects;
};
/** One list for as long as a node follows the stream: it has every change up to `version`. */
export type FollowedSubjects = { readonly list: SubjectList; version: number };

/** Signs with the key that is in use for the algorithm. */
export type SignSet = (claims: SetClaims, algorithm: SigningAlgorithm) => Promise<SignedSet>;

/** The key may still be verified by: its SETs are repeated as they are. Else they are signed anew. */
export type IsKeyServed = (kid: string) => boolean;

/** What a Receiver answered to one push. */
export type PushOutcome =
  /** 202, or another 2xx, which is noted. */
  | { readonly kind: 'delivered'; readonly status: number }
  /** May succeed later. `retryAfterMs`: not sooner; the Receiver asked for so much patience, or needs it for our keys. */
  | { readonly kind: 'retry'; readonly answer: PushAnswer; readonly retryAfterMs?: number }
  /** Will not succeed as it is: this SET is dead, the stream goes on. */
  | { readonly kind: 'rejected'; readonly answer: PushAnswer }
  /** Credentials or address do not work, says the answer: for this SET, or for all until somebody changes them. */
  | { readonly kind: 'blocked'; readonly answer: PushAnswer };

/** Kept and shown to the operator, not to the Receiver; texts are the Receiver's, capped, or say where the hub did not go. */
export type PushAnswer = {
  readonly status?: number;
  /** RFC 8935 §2.4, or a `FetchFailure` (`timeout`, `tls` …) when there was no whole answer. */
  readonly err?: string;
  readonly description?: string;
};

/** One attempt; never throws for what the Receiver does. `stop` ends it early. */
export type PushSet = (push: {
  readonly endpointUrl: string;
  readonly authorization?: string;
  readonly compact: string;
  /** `err` of the attempt before this one: `invalid_key` twice in a row rejects the SET. */
  readonly previousErr?: string;
  readonly stop: AbortSignal;
}) => Promise<PushOutcome>;

import type { SetErrorCode } from '../core/received-set.ts';
import type { JsonObject, Millis, SourceId } from '../core/vocabulary.ts';
import type { Upstream } from './ports.ts';

/** What became of a SET that is no signal. */
export const recordedOutcomes = [
  'verification',
  'stream-updated',
  'unknown-event',
  'not-understood',
  'refused',
] as const;
export type RecordedOutcome = (typeof recordedOutcomes)[number];

/** A SET that was acknowledged and put nothing into force. */
export type RecordedSet = {
  readonly upstream: SourceId;
  readonly jti: string;
  readonly receivedAtMs: Millis;
  readonly eventType: string;
  readonly subject: JsonObject;
  readonly outcome: RecordedOutcome;
  /** Why, for people. */
  readonly text: string;
  /** As received. */
  readonly compact: string;
};

export type ReceivedSetStore = {
  /** Durable when it resolves. `repeated`: one with this `jti` is there. */
  record(set: RecordedSet): Promise<'recorded' | 'repeated'>;
  has(upstream: SourceId, jti: string): Promise<boolean>;
  /** Newest first. */
  list(
    upstream: SourceId,
    page: {
      readonly after?: { readonly receivedAtMs: Millis; readonly jti: string };
      readonly limit: number;
    },
  ): Promise<readonly RecordedSet[]>;
};

/** How a SET was answered. */
export type SetAnswer =
  | { readonly kind: 'acknowledged'; readonly outcome: RecordedOutcome | 'signal' | 'repeated' }
  | { readonly kind: 'rejected'; readonly err: SetErrorCode; readonly description: string };

/**
 * Checks a SET of this upstream and takes it in. Resolves only when what it answers is durable.
 *
 * @throws Problem `storage-unavailable`, `issuer-unavailable`: nothing was acknowledged, and the SET may come again.
 */
export type AcceptSet = (upstream: Upstream, compact: string) => Promise<SetAnswer>;

import type { Source } from './source.ts';
import type { SubjectQuery } from './resolution.ts';
import type { JsonObject, Millis, Seconds } from './vocabulary.ts';

/** How sure a source is (`behavior-anomaly` reacts by it). */
export const confidences = ['high', 'medium', 'low'] as const;
export type Confidence = (typeof confidences)[number];

/** A statement that something happened to a subject, checked for shape and not yet believed. What every door hands to the pipeline. */
export type Statement = {
  readonly source: Source;
  /** Who said it, as the audit names them. */
  readonly actor: string;
  /** Idempotency key of the source (`id` on the wire). */
  readonly externalId?: string;
  /** As received. */
  readonly body: Uint8Array;
  readonly bodySha256: Uint8Array;
  /** URI of the event type. */
  readonly eventType: string;
  /** The subject as it was sent. */
  readonly subject: JsonObject;
  readonly query: SubjectQuery;
  /** The event's own members, valid by its schema. */
  readonly data: JsonObject;
  /** When it happened; falls back to the time of receipt. May lie in the future: deciding clamps it. Whole or fractional seconds. */
  readonly eventTime: Seconds;
  readonly confidence?: Confidence;
  readonly reason?: string;
  readonly txn: string;
  readonly receivedAtMs: Millis;
  readonly correlationId?: string;
  /** It came from a Transmitter, which may have heard it from here. */
  readonly relayed?: true;
};

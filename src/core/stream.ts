import type { JsonObject, Millis, Seconds, StreamId } from './vocabulary.ts';

/** SSF 1.0 §8.1.2.1: `paused` holds what would be sent, `disabled` holds nothing. */
export const streamStatuses = ['enabled', 'paused', 'disabled'] as const;
export type StreamStatus = (typeof streamStatuses)[number];

/** The URIs of delivery methods. @see SSF 1.0 §6.1 */
export const deliveryMethods = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const;
export type DeliveryMethod = keyof typeof deliveryMethods;

/** RS256 is what the interoperability profile asks for, and the default. */
export const signingAlgorithms = ['RS256', 'ES256', 'EdDSA'] as const;
export type SigningAlgorithm = (typeof signingAlgorithms)[number];

export const defaultSubjects = ['ALL', 'NONE'] as const;
export type DefaultSubjects = (typeof defaultSubjects)[number];

/** Interoperability profiles that the streams of a client may obey, each with its version. */
export const streamProfiles = ['caep-interop-1.0-draft-02'] as const;
export type StreamProfile = (typeof streamProfiles)[number];

/** What one downstream Receiver subscribed to, without its secrets. */
export type Stream = {
  readonly id: StreamId;
  /** Whose stream it is: who created it, and the only one who may see it at the SSF endpoints. */
  readonly receiver: string;
  /** One value per stream, so that no receiver can hand its copy of a SET to another. */
  readonly aud: string;
  /** What its client's streams obey, as it was when this one was made. */
  readonly profile?: StreamProfile;
  /** As asked for, unknown URIs included; absent: nothing was asked for. */
  readonly eventsRequested?: readonly string[];
  /** Those of them that the hub sends. */
  readonly eventsDelivered: readonly string[];
  readonly delivery: StreamDelivery;
  readonly description?: string;
  readonly status: StreamStatus;
  readonly statusReason?: string;
  readonly algorithm: SigningAlgorithm;
  readonly defaultSubjects: DefaultSubjects;
  readonly minVerificationIntervalSeconds: Seconds;
  /** Without eligible activity for so long it is paused; absent: never. */
  readonly inactivityTimeoutSeconds?: Seconds;
  readonly lastActivityAtMs: Millis;
  readonly lastVerificationAtMs?: Millis;
  readonly createdAtMs: Millis;
  readonly updatedAtMs: Millis;
};

/** The `Authorization` value for a push is a secret and stays in the store. */
export type StreamDelivery =
  | { readonly method: 'push'; readonly endpointUrl: string; readonly isAuthorized: boolean }
  | { readonly method: 'poll' };

/** A subject that was added to a stream, or removed from one that has all. */
export type StreamSubject = {
  readonly subject: JsonObject;
  readonly listed: 'added' | 'removed';
  /** SSF 1.0 §8.1.3.2: the Receiver says that it verified the subject. Kept and audited; what is sent is the same. */
  readonly verified: boolean;
};

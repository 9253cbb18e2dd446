import type { JsonObject, Seconds, SetId, StreamId } from './vocabulary.ts';

/** The claims of a SET of ours, fixed when it comes about and never changed. @see RFC 8417 §2.2, SSF 1.0 §4.1 */
export type SetClaims = {
  readonly iss: string;
  readonly jti: SetId;
  readonly iat: Seconds;
  readonly aud: string;
  readonly txn: string;
  /** When it happened, in whole seconds. */
  readonly toe?: Seconds;
  readonly sub_id: JsonObject;
  /** Exactly one member: the URI of the event type. */
  readonly events: { readonly [eventType: string]: JsonObject };
};

/** A SET as it travels, and by which key it is signed. */
export type SignedSet = { readonly compact: string; readonly kid: string };

export const verificationEventType = 'https://schemas.openid.net/secevent/ssf/event-type/verification';
export const streamUpdatedEventType = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated';

/** The subject of everything that is about the stream itself. @see SSF 1.0 §8.1.4.1, §8.1.5 */
export const subjectOfStream = (id: StreamId): JsonObject => ({ format: 'opaque', id });

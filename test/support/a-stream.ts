import { verificationEventType, type SetClaims } from '../../src/core/set-claims.ts';
import type { Stream, StreamSubject } from '../../src/core/stream.ts';
import { type JsonObject, setId, type StreamId, streamId } from '../../src/core/vocabulary.ts';

export const streamAtMs = 1_763_764_000_000;
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';

/** An enabled poll stream of `token:siem` with everybody on it, unless said otherwise. */
export function aStream(id: string, parts: Partial<Stream> = {}): Stream {
  return {
    id: streamId(id),
    receiver: 'token:siem',
    aud: `token:siem/${id}`,
    eventsRequested: [sessionRevoked, 'urn:unknown'],
    eventsDelivered: [sessionRevoked],
    delivery: { method: 'poll' },
    status: 'enabled',
    algorithm: 'RS256',
    defaultSubjects: 'ALL',
    minVerificationIntervalSeconds: 30,
    lastActivityAtMs: streamAtMs,
    createdAtMs: streamAtMs,
    updatedAtMs: streamAtMs,
    ...parts,
  };
}

export const aListed = (
  listed: StreamSubject['listed'],
  subject: JsonObject,
  verified = true,
): StreamSubject => ({ subject, listed, verified });

export const aControlSet = (id: StreamId, jti: string, event: string = verificationEventType): SetClaims => ({
  iss: 'https://hub.example',
  jti: setId(jti),
  iat: streamAtMs / 1_000,
  aud: `token:siem/${id}`,
  txn: `txn-${jti}`,
  sub_id: { format: 'opaque', id },
  events: { [event]: {} },
});

import {
  type SetClaims,
  streamUpdatedEventType,
  subjectOfStream,
  verificationEventType,
} from '../core/set-claims.ts';
import type { Stream } from '../core/stream.ts';
import { type JsonObject, type Millis, setId } from '../core/vocabulary.ts';

/** What SETs about a stream are made of besides the stream. */
export type SetMaker = {
  /** The same, byte for byte, wherever the hub names itself. */
  readonly issuer: () => string;
  readonly newId: (prefix: string) => string;
};

/** Without `state` where nobody asked, or asked without. @see SSF 1.0 §8.1.4.1 */
export const verificationSet = (
  stream: Stream,
  { state, atMs }: { readonly state?: string; readonly atMs: Millis },
  maker: SetMaker,
): SetClaims => controlSet(stream, verificationEventType, state === undefined ? {} : { state }, atMs, maker);

/** For a change of status that its receiver did not ask for. @see SSF 1.0 §8.1.5 */
export const streamUpdatedSet = (stream: Stream, atMs: Millis, maker: SetMaker): SetClaims => {
  const { status, statusReason: reason } = stream;
  return controlSet(
    stream,
    streamUpdatedEventType,
    { status, ...(reason === undefined ? {} : { reason }) },
    atMs,
    maker,
  );
};

function controlSet(
  { id, aud }: Stream,
  eventType: string,
  event: JsonObject,
  atMs: Millis,
  { issuer, newId }: SetMaker,
): SetClaims {
  return {
    iss: issuer(),
    jti: setId(newId('set')),
    iat: Math.floor(atMs / 1_000),
    aud,
    txn: newId('txn'),
    sub_id: subjectOfStream(id),
    events: { [eventType]: event },
  };
}

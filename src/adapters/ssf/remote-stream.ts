import { harmlessText, isJsonObject } from '../../core/text.ts';
import type { Json, JsonObject } from '../../core/vocabulary.ts';
import type { RemoteStream } from '../../receiver/ports.ts';
import { own } from './call.ts';
import { readTexts, readUrl } from './read-members.ts';

const idLengthMax = 512;
/** Of a reason that the peer gives so much is kept, in UTF-16 code units. */
const reasonLengthMax = 500;

/** Which stream it must be. */
export type ExpectedStream = {
  readonly issuer: string;
  /** Absent: of one that is new. */
  readonly streamId?: string;
};

/**
 * A stream configuration as far as it counts, or what is wrong with it. Its issuer is the Transmitter's.
 *
 * @see SSF 1.0 §8.1.1, §8.1.1.1, SEC-03
 */
export function readRemoteStream(object: JsonObject, expected: ExpectedStream): RemoteStream | string {
  const streamId = own(object, 'stream_id');
  if (!isText(streamId)) return 'it has no stream_id';
  if (expected.streamId !== undefined && streamId !== expected.streamId) return 'it is another stream';
  if (own(object, 'iss') !== expected.issuer) return 'its iss is not the issuer of the metadata';
  const aud = own(object, 'aud');
  const audience = readTexts(typeof aud === 'string' ? [aud] : aud);
  if (audience === undefined || audience === null || audience.length === 0) return 'it has no aud';
  const eventsDelivered = readTexts(own(object, 'events_delivered'));
  if (eventsDelivered === undefined || eventsDelivered === null) return 'its events_delivered is no list';
  const interval = own(object, 'min_verification_interval');
  if (interval !== undefined && !isSeconds(interval)) return 'its min_verification_interval is no number';
  const delivery = own(object, 'delivery');
  const method = isJsonObject(delivery) ? own(delivery, 'method') : undefined;
  if (!isJsonObject(delivery) || !isText(method)) return 'its delivery names no method';
  const endpointUrl = own(delivery, 'endpoint_url');
  if (endpointUrl !== undefined && readUrl(endpointUrl) === undefined) {
    return 'the endpoint_url of its delivery is no URL with https';
  }
  return {
    streamId,
    iss: expected.issuer,
    audience,
    method,
    ...(typeof endpointUrl === 'string' ? { endpointUrl } : {}),
    eventsDelivered,
    ...(interval === undefined ? {} : { minVerificationSeconds: interval }),
    raw: withoutSecret(object, delivery),
  };
}

/** A Transmitter may repeat the secret that its pushes carry. */
function withoutSecret(object: JsonObject, delivery: JsonObject): JsonObject {
  const { authorization_header: _secret, ...shown } = delivery;
  return { ...object, delivery: shown };
}

const statuses: ReadonlySet<Json> = new Set(['enabled', 'paused', 'disabled']);

/** @see SSF 1.0 §8.1.2.1 */
export function readStatus(
  object: JsonObject,
  streamId: string,
): { readonly status: string; readonly reason?: string } | string {
  if (own(object, 'stream_id') !== streamId) return 'it is the status of another stream';
  const [status, reason] = [own(object, 'status'), own(object, 'reason')];
  if (typeof status !== 'string' || !statuses.has(status)) return 'its status is no status of a stream';
  return { status, ...(typeof reason === 'string' ? { reason: harmlessText(reason, reasonLengthMax) } : {}) };
}

const isText = (value: Json | undefined): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= idLengthMax;

const isSeconds = (value: Json): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

import { canonicalJson } from '../core/canonical-json.ts';
import { eventsDelivered } from '../core/events/transmitted-events.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import { profileDemands } from '../core/stream-profile.ts';
import type { Stream, StreamProfile } from '../core/stream.ts';
import { type Json, type JsonObject, type Millis, streamId } from '../core/vocabulary.ts';
import { type DeliveryWire, readDelivery } from './delivery.ts';
import { descriptionMax, minVerificationIntervalDefault } from './limits.ts';
import type { StreamChange } from './ports.ts';
import { audienceOf } from './receiver.ts';
import { pollUrlOf, toConfiguration, transmitterSupplied } from './schemas.ts';

/** What a receiver may say of its stream. */
export type ReceiverSupplied = {
  readonly delivery?: DeliveryWire;
  readonly events_requested?: readonly string[];
  readonly description?: string;
};
/** What an operator may say besides. */
export type OperatorSupplied = Partial<
  Pick<
    Stream,
    'algorithm' | 'defaultSubjects' | 'minVerificationIntervalSeconds' | 'inactivityTimeoutSeconds'
  >
>;

/** A stream that is enabled and has everybody. @see SSF 1.0 §8.1.1.1 */
export function newStream(
  wire: ReceiverSupplied,
  made: {
    readonly id: string;
    readonly receiver: string;
    readonly profile?: StreamProfile | undefined;
    readonly atMs: Millis;
  },
  settings: OperatorSupplied = {},
): { readonly stream: Stream; readonly authorization?: string } {
  const { receiver, profile, atMs } = made;
  const { delivery, ...secret } = readDelivery(wire.delivery, undefined);
  const id = streamId(made.id);
  const stream: Stream = {
    id,
    receiver,
    aud: audienceOf(receiver, id),
    ...(profile === undefined ? {} : { profile }),
    ...eventsOf(wire, profile),
    delivery,
    ...descriptionOf(wire),
    status: 'enabled',
    algorithm: 'RS256',
    defaultSubjects: 'ALL',
    minVerificationIntervalSeconds: minVerificationIntervalDefault,
    ...settings,
    lastActivityAtMs: atMs,
    createdAtMs: atMs,
    updatedAtMs: atMs,
  };
  refuseOffProfile(stream);
  return { stream, ...secret };
}

/** @throws Problem `invalid-request` for settings that the profile of the stream does not leave open. */
export function refuseOffProfile({ profile, ...stream }: Stream): void {
  if (profile === undefined) return;
  const { algorithm, defaultSubjects } = profileDemands[profile].stream;
  const errors = [
    { path: '/algorithm', is: stream.algorithm, must: algorithm },
    { path: '/default_subjects', is: stream.defaultSubjects, must: defaultSubjects },
  ].flatMap(({ path, is, must }) => (is === must ? [] : [{ path, message: `must be ${must}` }]));
  if (errors.length === 0) return;
  throw new Problem('invalid-request', `The client of the stream has the profile ${profile}.`, {
    hint: 'Leave these members out, or make another client without the profile.',
    errors,
  });
}

/** @throws Problem `invalid-request` for a body that says what only the transmitter says. */
export function refuseTransmitterSupplied(body: JsonObject): void {
  const errors = ['stream_id', ...transmitterSupplied]
    .filter((name) => Object.hasOwn(body, name))
    .map((name) => ({ path: `/${name}`, message: 'is supplied by the transmitter' }));
  if (errors.length > 0) throw notAsExpected(errors);
}

/** What is there is changed, what is not stays. `delivery` is one member: it is replaced whole. @see SSF 1.0 §8.1.1.3 */
export function patchedStream(
  stream: Stream,
  body: JsonObject & ReceiverSupplied,
  issuer: string,
): StreamChange {
  refuseOther(stream, body, issuer);
  const said = saidOf(body);
  const members = Object.keys(said).filter((name) => said[name as keyof ReceiverSupplied] !== undefined);
  return changeOf(
    stream,
    {
      ...(said.delivery === undefined ? {} : deliveryOf(stream, said.delivery, issuer)),
      stream: {
        ...stream,
        ...(said.events_requested === undefined ? {} : eventsOf(said, stream.profile)),
        ...(said.description === undefined ? {} : descriptionOf(said)),
      },
    },
    members,
  );
}

/**
 * What is not there is deleted; a missing `delivery` is poll, as when a stream is made. What the transmitter says, the
 * status, the subjects and what is waiting stay.
 *
 * @see SSF 1.0 §8.1.1.4
 */
export function replacedStream(
  stream: Stream,
  body: JsonObject & ReceiverSupplied,
  issuer: string,
): StreamChange {
  refuseOther(stream, body, issuer);
  const said = saidOf(body);
  const { eventsRequested: _, description: __, ...rest } = stream;
  return changeOf(
    stream,
    {
      ...deliveryOf(stream, said.delivery, issuer),
      stream: { ...rest, ...eventsOf(said, stream.profile), ...descriptionOf(said) },
    },
    ['delivery', 'events_requested', 'description'],
  );
}

type Parts = Pick<StreamChange, 'stream' | 'authorization'> & { readonly delivery?: Stream['delivery'] };

/** SETs of event types that are no longer wanted, and those for another way to hand them over, stay and go the new way. */
const changeOf = (
  before: Stream,
  { delivery, ...parts }: Parts,
  members: readonly string[],
): StreamChange => ({
  ...parts,
  stream: { ...parts.stream, delivery: delivery ?? before.delivery },
  audit: { action: 'stream.changed', detail: { members } },
});

const saidOf = ({ delivery, events_requested, description }: ReceiverSupplied): ReceiverSupplied => ({
  ...(delivery === undefined ? {} : { delivery }),
  ...(events_requested === undefined ? {} : { events_requested }),
  ...(description === undefined ? {} : { description }),
});

function deliveryOf(stream: Stream, wire: DeliveryWire | undefined, issuer: string) {
  const { delivery, authorization } = readDelivery(wire, pollUrlOf(issuer, stream.id));
  const had = stream.delivery.method === 'push' && stream.delivery.isAuthorized;
  return {
    delivery,
    ...(authorization !== undefined ? { authorization } : had ? { authorization: null } : {}),
  };
}

const eventsOf = ({ events_requested: requested }: ReceiverSupplied, profile: StreamProfile | undefined) => ({
  ...(requested === undefined ? {} : { eventsRequested: requested }),
  eventsDelivered: eventsDelivered(requested ?? (profile && profileDemands[profile].events)),
});

const descriptionOf = ({ description }: ReceiverSupplied) =>
  description === undefined ? {} : { description: cutDescription(description) };

/** Whole characters. */
export const cutDescription = (text: string): string =>
  text.length <= descriptionMax ? text : Array.from(text).slice(0, descriptionMax).join('');

/** `events_delivered` as it was before. @see SSF 1.0 §8.1.1.3 */
function refuseOther(stream: Stream, body: JsonObject, issuer: string): void {
  const expected: JsonObject = toConfiguration(stream, issuer);
  const errors = transmitterSupplied
    .filter((name) => Object.hasOwn(body, name) && !isSame(body[name], expected[name]))
    .map((name) => ({ path: `/${name}`, message: 'is not what the transmitter supplied' }));
  if (errors.length > 0) throw notAsExpected(errors);
}

/** Lists of one and of several: in any order, and a list of one as the one. */
const isSame = (one: Json | undefined, other: Json | undefined): boolean => lineOf(one) === lineOf(other);
const lineOf = (value: Json = null): string =>
  canonicalJson((Array.isArray(value) ? value : [value]).map((item: Json) => canonicalJson(item)).sort());

const notAsExpected = (errors: readonly FieldError[]): Problem =>
  new Problem('invalid-request', 'The body says something that only the transmitter says.', {
    hint: 'Leave these members out, or repeat them as GET answers them.',
    errors,
  });

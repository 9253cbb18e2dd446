import type { Static } from 'typebox';
import { Problem } from '../core/problem.ts';
import type { Stream } from '../core/stream.ts';
import { type Millis, streamId } from '../core/vocabulary.ts';
import { type StreamBody, type StreamPatchBody, toEventUris, toReceiver } from './admin-schemas.ts';
import { cutDescription, newStream, refuseOffProfile } from './configure.ts';
import { type SetMaker, verificationSet } from './control-sets.ts';
import { type RefuseEndpoint, requireReachable } from './delivery.ts';
import { noSuchStream, withStatus } from './manage.ts';
import { changedByHub } from './pause-inactive.ts';
import type { By, FindReceiver, StreamChange, StreamStore } from './ports.ts';

/** What an operator does with the streams of receivers, who hear of it. */
export type Operation = {
  create(body: Static<typeof StreamBody>, by: By): Promise<Stream>;
  find(id: string): Promise<Stream>;
  change(id: string, body: Static<typeof StreamPatchBody>, by: By): Promise<Stream>;
  remove(id: string, by: By): Promise<void>;
  verify(id: string, by: By): Promise<void>;
};

export function createOperation(
  options: SetMaker & {
    readonly store: StreamStore;
    readonly refuseEndpoint: RefuseEndpoint;
    readonly findReceiver: FindReceiver;
  },
): Operation {
  const { store, newId } = options;

  async function update(id: string, changeOf: (stream: Stream) => StreamChange, by: By): Promise<Stream> {
    const changed = await store.update(streamId(id), changeOf, by);
    if (changed === undefined) throw noSuchStream();
    return changed;
  }

  return {
    async create(body, by) {
      const { delivery, events_requested: events, description } = body;
      requireReachable(delivery, options.refuseEndpoint);
      const receiver = toReceiver(body.receiver);
      const found = await options.findReceiver(receiver);
      if (found === undefined) throw noSuchClient(body.receiver);
      const { stream, authorization } = newStream(
        {
          events_requested: toEventUris(events),
          ...(delivery === undefined ? {} : { delivery }),
          ...(description === undefined ? {} : { description }),
        },
        { id: newId('str'), receiver, profile: found.profile, atMs: by.atMs },
        settingsOf(body),
      );
      await store.create(stream, authorization, by);
      return stream;
    },
    async find(id) {
      const stream = await store.find(streamId(id));
      if (stream === undefined) throw noSuchStream();
      return stream;
    },
    async change(id, body, by) {
      refuseLoneReason(body);
      return update(
        id,
        (stream) => changedByHub(stream, changeOf(stream, body, by.atMs), by.atMs, options),
        by,
      );
    },
    async remove(id, by) {
      if (!(await store.remove(streamId(id), by))) throw noSuchStream();
    },
    async verify(id, by) {
      await update(
        id,
        (stream) => {
          refuseStopped(stream);
          return {
            stream,
            sets: [verificationSet(stream, { atMs: by.atMs }, options)],
            audit: { action: 'stream.verification-sent' },
          };
        },
        by,
      );
    },
  };
}

/** `null` takes a timeout away. */
type Settings = Pick<
  Static<typeof StreamPatchBody>,
  'algorithm' | 'min_verification_interval' | 'inactivity_timeout'
> &
  Pick<Static<typeof StreamBody>, 'default_subjects'>;

const settingsOf = (body: Settings) => ({
  ...(body.algorithm === undefined ? {} : { algorithm: body.algorithm }),
  ...(body.default_subjects === undefined ? {} : { defaultSubjects: body.default_subjects }),
  ...(body.min_verification_interval === undefined
    ? {}
    : { minVerificationIntervalSeconds: body.min_verification_interval }),
  ...(typeof body.inactivity_timeout === 'number'
    ? { inactivityTimeoutSeconds: body.inactivity_timeout }
    : {}),
});

function changeOf(before: Stream, body: Static<typeof StreamPatchBody>, atMs: Millis): StreamChange {
  const { status, reason, description, inactivity_timeout: timeout } = body;
  const { inactivityTimeoutSeconds: had, ...rest } = before;
  const kept = timeout === undefined && had !== undefined ? { inactivityTimeoutSeconds: had } : {};
  const stream: Stream = {
    ...rest,
    ...kept,
    ...settingsOf(body),
    ...(description === undefined ? {} : { description: cutDescription(description) }),
    // Or it would be paused at once for the time before.
    ...(timeout !== undefined || (status === 'enabled' && before.status !== 'enabled')
      ? { lastActivityAtMs: atMs }
      : {}),
  };
  refuseOffProfile(stream);
  const members = Object.keys(body);
  if (status === undefined) return { stream, audit: { action: 'stream.changed', detail: { members } } };
  const change = withStatus(stream, status, reason);
  return { ...change, audit: { ...change.audit, detail: { ...change.audit.detail, members } } };
}

const noSuchClient = (receiver: string): Problem =>
  new Problem('invalid-request', `There is no "${receiver}", or it was revoked.`, {
    hint: 'Make the client first: what its streams are like is set there.',
    errors: [{ path: '/receiver', message: 'is no client' }],
  });

function refuseLoneReason({ status, reason }: Static<typeof StreamPatchBody>): void {
  if (reason === undefined || status !== undefined) return;
  throw new Problem('invalid-request', 'A reason goes with a status.', {
    errors: [{ path: '/status', message: 'is missing' }],
  });
}

export function refuseStopped({ status }: Stream): void {
  if (status === 'enabled') return;
  throw new Problem('stream-not-enabled', `The stream is ${status}: nothing is sent over it.`, {
    hint: 'Enable it first.',
  });
}

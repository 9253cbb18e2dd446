import { Problem } from '../core/problem.ts';
import type { Stream, StreamStatus } from '../core/stream.ts';
import { type JsonObject, type Millis, streamId, type StreamId } from '../core/vocabulary.ts';
import {
  newStream,
  patchedStream,
  type ReceiverSupplied,
  refuseTransmitterSupplied,
  replacedStream,
} from './configure.ts';
import { type RefuseEndpoint, requireReachable } from './delivery.ts';
import { type SetMaker, verificationSet } from './control-sets.ts';
import { activityLagMs, streamsPerReceiverMax, verificationStateMax } from './limits.ts';
import type { By, FindReceiver, StreamChange, StreamStore, StreamSubjectStore } from './ports.ts';
import { type Configuration, toConfiguration } from './schemas.ts';
import { subjectOf } from './stream-subject.ts';

/** A receiver who calls: whose streams, and for the audit who and when. */
export type Receiver = { readonly receiver: string; readonly by: By };

/** What a receiver does with its own streams; another's is as good as none. @see SSF 1.0 §8.1 */
export type Management = {
  create(from: Receiver, body: JsonObject & ReceiverSupplied): Promise<Configuration>;
  list(from: Receiver): Promise<readonly Configuration[]>;
  show(from: Receiver, id: string): Promise<Configuration>;
  patch(from: Receiver, id: string, body: JsonObject & ReceiverSupplied): Promise<Configuration>;
  replace(from: Receiver, id: string, body: JsonObject & ReceiverSupplied): Promise<Configuration>;
  remove(from: Receiver, id: string): Promise<void>;
  status(from: Receiver, id: string): Promise<Stream>;
  setStatus(from: Receiver, id: string, status: StreamStatus, reason: string | undefined): Promise<Stream>;
  addSubject(from: Receiver, id: string, subject: JsonObject, verified: boolean): Promise<void>;
  removeSubject(from: Receiver, id: string, subject: JsonObject): Promise<void>;
  verify(from: Receiver, id: string, state: string | undefined): Promise<void>;
};

export type ManagementOptions = SetMaker & {
  readonly store: StreamStore;
  readonly subjects: Pick<StreamSubjectStore, 'put'>;
  readonly refuseEndpoint: RefuseEndpoint;
  readonly findReceiver: FindReceiver;
};

export function createManagement(options: ManagementOptions): Management {
  const { store, subjects, issuer, newId } = options;

  async function own({ receiver, by }: Receiver, id: string): Promise<Stream> {
    const stream = await store.find(streamId(id));
    if (stream?.receiver !== receiver) throw noSuchStream();
    if (stream.lastActivityAtMs < by.atMs - activityLagMs) await store.noteActivity(stream.id, by.atMs);
    return stream;
  }

  async function change(
    { receiver, by }: Receiver,
    id: string,
    changeOf: (stream: Stream) => StreamChange,
  ): Promise<Stream> {
    const changed = await store.update(
      streamId(id),
      (stream) => {
        if (stream.receiver !== receiver) throw noSuchStream();
        return active(changeOf(stream), by.atMs);
      },
      by,
    );
    if (changed === undefined) throw noSuchStream();
    return changed;
  }

  const put = async (from: Receiver, id: string, subject: JsonObject, said: Listing): Promise<void> => {
    const known = subjectOf(subject);
    const stream = await own(from, id);
    if (isOwnSubject(stream.id, known)) {
      if (said.listed === 'removed') throw ownSubjectStays();
      return;
    }
    await subjects.put(stream.id, { subject: known, ...said }, from.by);
  };

  return {
    async create({ receiver, by }, body) {
      refuseTransmitterSupplied(body);
      requireReachable(body.delivery, options.refuseEndpoint);
      const { profile } = (await options.findReceiver(receiver)) ?? {};
      const made = { id: newId('str'), receiver, profile, atMs: by.atMs };
      const { stream, authorization } = newStream(body, made);
      await store.create(stream, authorization, by);
      return toConfiguration(stream, issuer());
    },
    async list({ receiver }) {
      const streams = await store.list({ receiver, limit: streamsPerReceiverMax });
      return streams.map((stream) => toConfiguration(stream, issuer()));
    },
    show: async (from, id) => toConfiguration(await own(from, id), issuer()),
    patch: async (from, id, body) =>
      toConfiguration(
        await change(from, id, (stream) => {
          requireReachable(body.delivery, options.refuseEndpoint);
          return patchedStream(stream, body, issuer());
        }),
        issuer(),
      ),
    replace: async (from, id, body) =>
      toConfiguration(
        await change(from, id, (stream) => {
          requireReachable(body.delivery, options.refuseEndpoint);
          return replacedStream(stream, body, issuer());
        }),
        issuer(),
      ),
    async remove(from, id) {
      const stream = await own(from, id);
      if (!(await store.remove(stream.id, from.by))) throw noSuchStream();
    },
    status: own,
    setStatus: (from, id, status, reason) => change(from, id, (stream) => withStatus(stream, status, reason)),
    addSubject: (from, id, subject, verified) => put(from, id, subject, { listed: 'added', verified }),
    removeSubject: (from, id, subject) => put(from, id, subject, { listed: 'removed', verified: true }),
    async verify(from, id, state) {
      refuseLongState(state);
      const { atMs } = from.by;
      await change(from, id, (stream) => {
        refuseUntimely(stream, atMs);
        return {
          stream: { ...stream, lastVerificationAtMs: atMs },
          sets: [verificationSet(stream, { atMs, ...(state === undefined ? {} : { state }) }, options)],
          audit: { action: 'stream.verification-requested' },
        };
      });
    },
  };
}

type Listing = { readonly listed: 'added' | 'removed'; readonly verified: boolean };

/** The same for a stream that is not there and for another's. */
export const noSuchStream = (): Problem =>
  new Problem('not-found', 'There is no such stream.', { hint: 'GET /ssf/streams lists yours.' });

/** Whatever its receiver does with a stream shows that the receiver is there. @see SSF 1.0 §8.1.1 */
const active = (change: StreamChange, atMs: Millis): StreamChange => ({
  ...change,
  stream: { ...change.stream, lastActivityAtMs: atMs, updatedAtMs: atMs },
});

/** What is disabled holds nothing for later; what is paused does. @see SSF 1.0 §8.1.2.1 */
export function withStatus(before: Stream, status: StreamStatus, reason: string | undefined): StreamChange {
  const { statusReason: _, ...rest } = before;
  return {
    stream: { ...rest, status, ...(reason === undefined ? {} : { statusReason: reason }) },
    // A signal that was under way may have left something after it was disabled.
    ...(status === 'disabled' || before.status === 'disabled' ? { drops: 'all' as const } : {}),
    audit: {
      action: 'stream.status-changed',
      detail: { before: before.status, status, ...(reason === undefined ? {} : { reason }) },
    },
  };
}

const isOwnSubject = (id: StreamId, { format, id: named }: JsonObject): boolean =>
  format === 'opaque' && named === id;

const ownSubjectStays = (): Problem =>
  new Problem('invalid-request', 'A stream is always its own subject, and that cannot be removed.', {
    hint: 'Pause or disable the stream, or delete it.',
    errors: [{ path: '/subject', message: 'is the stream itself' }],
  });

function refuseLongState(state: string | undefined): void {
  if (state === undefined || Buffer.byteLength(state) <= verificationStateMax) return;
  throw new Problem('invalid-request', `The state is longer than ${verificationStateMax} bytes.`, {
    errors: [{ path: '/state', message: `is longer than ${verificationStateMax} bytes` }],
  });
}

/** @see SSF 1.0 §8.1.4.2 */
function refuseUntimely(stream: Stream, atMs: Millis): void {
  const { status, lastVerificationAtMs: last, minVerificationIntervalSeconds: interval } = stream;
  if (status !== 'enabled') {
    throw new Problem('stream-not-enabled', `The stream is ${status}: nothing is sent over it.`, {
      hint: 'POST /ssf/status with "status": "enabled", then ask again.',
    });
  }
  const waitMs = last === undefined ? 0 : last + interval * 1_000 - atMs;
  // A clock that was set back must not lock anybody out.
  if (waitMs <= 0 || waitMs > interval * 1_000) return;
  throw new Problem('rate-limited', `This stream was asked for a verification within ${interval} s.`, {
    hint: 'min_verification_interval of the stream says how often it may be asked.',
    extra: { retry_after: Math.ceil(waitMs / 1_000) },
  });
}

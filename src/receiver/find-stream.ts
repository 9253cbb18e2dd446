import { failed } from './failed.ts';
import type {
  Called,
  CallFailure,
  RemoteStream,
  TransmitterClient,
  TransmitterMetadata,
  Upstream,
  WantedStream,
} from './ports.ts';
import { isAsWanted, isOurs } from './wanted-stream.ts';

export type FindStreamPorts = {
  readonly client: TransmitterClient;
  readonly wanted: WantedStream;
  /** Streams of the same Transmitter that are other upstreams' here. */
  readonly takenStreams: () => Promise<ReadonlySet<string>>;
  /** Its Transmitter does not know the stream any more: from then on its id is not used. */
  readonly onLost: () => Promise<void>;
};

export type FoundStream = {
  readonly stream: RemoteStream;
  readonly how: 'kept' | 'adopted' | 'created';
};

/**
 * The stream of this upstream, as it is wanted. One that is there is never made again, and an id that the Transmitter
 * does not know any more is never used again.
 *
 * @see SSF 1.0 §8.1.1.1
 */
export async function findStream(
  { binding }: Upstream,
  metadata: TransmitterMetadata,
  ports: FindStreamPorts,
): Promise<Called<FoundStream>> {
  const { client } = ports;
  if (binding?.streamId !== undefined) {
    const read = await client.readStream(metadata.endpoints, binding.streamId);
    if (read.kind === 'done') return asWanted({ stream: read.value, how: 'kept' }, metadata, ports);
    if (read.status !== 404) return read;
    await ports.onLost();
  }
  const listed = await client.listStreams(metadata.endpoints);
  if (listed.kind === 'failed' && !cannotList(listed)) return listed;
  const known = listed.kind === 'failed' ? [] : listed.value;
  const ours = known.find((stream) => isOurs(stream, ports.wanted));
  if (ours !== undefined) return asWanted({ stream: ours, how: 'adopted' }, metadata, ports);
  const created = await client.createStream(metadata.endpoints, ports.wanted);
  if (created.kind === 'done') return { kind: 'done', value: { stream: created.value, how: 'created' } };
  return created.status === 409 ? adoptOnly(metadata, ports) : created;
}

/** A Transmitter that lists no streams may make one nevertheless. */
const cannotList = ({ status }: CallFailure): boolean =>
  status !== undefined && [400, 403, 404, 405, 501].includes(status);

/** There is one already, and there may be no other. */
async function adoptOnly(
  metadata: TransmitterMetadata,
  ports: FindStreamPorts,
): Promise<Called<FoundStream>> {
  const listed = await ports.client.listStreams(metadata.endpoints);
  if (listed.kind === 'failed') return listed;
  const taken = await ports.takenStreams();
  const free = listed.value.filter(({ streamId }) => !taken.has(streamId));
  const [stream] = free;
  if (stream !== undefined && free.length === 1) return asWanted({ stream, how: 'adopted' }, metadata, ports);
  return failed(
    'connect',
    free.length === 0
      ? 'Its Transmitter allows no more streams, and none that is there is free: use other credentials.'
      : `Its Transmitter allows no more streams, and has ${free.length} that may be in use: delete one there.`,
  );
}

/** Of one that was taken over nobody knows which Authorization its pushes carry. */
async function asWanted(
  { stream, how }: FoundStream,
  { endpoints }: TransmitterMetadata,
  { client, wanted }: FindStreamPorts,
): Promise<Called<FoundStream>> {
  if (how === 'kept' && isAsWanted(stream, wanted)) return { kind: 'done', value: { stream, how } };
  const updated = await client.updateStream(endpoints, stream.streamId, wanted);
  return updated.kind === 'failed' ? updated : { kind: 'done', value: { stream: updated.value, how } };
}

import { canonicalJson } from '../core/canonical-json.ts';
import { deliveryMethods } from '../core/stream.ts';
import type { JsonObject, Millis } from '../core/vocabulary.ts';
import { failed } from './failed.ts';
import { findStream, type FindStreamPorts, type FoundStream } from './find-stream.ts';
import type { Binding, Called, TransmitterMetadata, Upstream, WantedStream } from './ports.ts';

export type ConnectPorts = FindStreamPorts & { readonly nowMs: () => Millis };

/** What the upstream is bound to now, and by what it came about. `kept`: nothing changed. */
export type Connected = { readonly binding: Binding; readonly how: FoundStream['how'] | 'followed' };

/**
 * Its metadata and its stream: made where there is none, taken over where there is one, followed where its metadata
 * changed. `anew`: an audience that differs is taken, too.
 *
 * @see SSF 1.0 §4.1.6, §7.2.4, §8.1.1
 */
export async function connect(
  upstream: Upstream,
  ports: ConnectPorts,
  { anew }: { readonly anew: boolean },
): Promise<Called<Connected>> {
  const { settings, binding: before } = upstream;
  const { unmanaged } = settings;
  if (unmanaged !== undefined) {
    const { jwksUri, audience, pollUrl } = unmanaged;
    const base = { jwksUri, audience, endpoints: {}, criticalSubjectMembers: [] };
    return settle(before, { ...base, ...(pollUrl === undefined ? {} : { pollUrl }) }, 'followed', ports);
  }
  const discovered = await ports.client.discover();
  if (discovered.kind === 'failed') return discovered;
  const metadata = discovered.value;
  const unfit = judgeMetadata(metadata, upstream);
  if (unfit !== undefined) return unfit;
  const found = await findStream(upstream, metadata, ports);
  if (found.kind === 'failed') return found;
  const { stream, how } = found.value;
  const wrong = judgeStream(upstream, ports.wanted, found.value, anew);
  if (wrong !== undefined) return wrong;
  const { method, endpointUrl, minVerificationSeconds } = stream;
  return settle(
    before,
    {
      jwksUri: metadata.jwksUri,
      audience: stream.audience,
      streamId: stream.streamId,
      endpoints: metadata.endpoints,
      criticalSubjectMembers: metadata.criticalSubjectMembers,
      eventsDelivered: stream.eventsDelivered,
      ...(method === deliveryMethods.poll && endpointUrl !== undefined ? { pollUrl: endpointUrl } : {}),
      ...(minVerificationSeconds === undefined ? {} : { minVerificationSeconds }),
    },
    how,
    ports,
  );
}

/** What did not change keeps its time. */
function settle(
  before: Binding | undefined,
  now: Omit<Binding, 'boundAtMs'>,
  how: Connected['how'],
  { nowMs }: Pick<ConnectPorts, 'nowMs'>,
): Called<Connected> {
  if (before !== undefined) {
    const { boundAtMs: _boundAtMs, ...was } = before;
    if (textOf(was) === textOf(now)) return { kind: 'done', value: { binding: before, how: 'kept' } };
    if (was.streamId === now.streamId)
      return { kind: 'done', value: { binding: { ...now, boundAtMs: nowMs() }, how: 'followed' } };
  }
  return { kind: 'done', value: { binding: { ...now, boundAtMs: nowMs() }, how } };
}

const textOf = (binding: Omit<Binding, 'boundAtMs'>): string =>
  canonicalJson(JSON.parse(JSON.stringify(binding)) as JsonObject);

function judgeMetadata(
  { endpoints, deliveryMethods: methods }: TransmitterMetadata,
  { settings }: Pick<Upstream, 'settings'>,
) {
  if (endpoints.configuration === undefined) {
    return failed(
      'connect',
      'The metadata names no configuration_endpoint: add the upstream with "unmanaged", and what its operator tells you.',
    );
  }
  if (methods !== undefined && !methods.includes(deliveryMethods[settings.delivery])) {
    return failed(
      'connect',
      `Its Transmitter does not deliver by ${settings.delivery}: it offers ${methods.join(', ')}.`,
    );
  }
  return undefined;
}

/** Nothing of a stream that is not what it must be is used. @see SSF-MD-12 */
function judgeStream(
  { settings, binding }: Upstream,
  wanted: WantedStream,
  { stream }: FoundStream,
  anew: boolean,
) {
  if (stream.method !== wanted.delivery.method)
    return failed('connect', `The stream does not deliver by ${settings.delivery}, though it was asked to.`);
  if ('endpoint_url' in wanted.delivery && stream.endpointUrl !== wanted.delivery.endpoint_url)
    return failed('connect', 'The stream pushes to another endpoint_url than it was asked to.');
  if (settings.delivery === 'poll' && stream.endpointUrl === undefined)
    return failed('connect', 'The stream names no endpoint_url to poll.');
  const isSameStream = binding?.streamId === stream.streamId;
  if (!anew && isSameStream && !isSame(stream.audience, binding.audience)) {
    return failed(
      'connect',
      'The aud of the stream is another than before, which SSF 1.0 §8.1.1 does not allow. If that is right, connect anew.',
    );
  }
  return undefined;
}

const isSame = (ones: readonly string[], others: readonly string[]): boolean =>
  ones.length === others.length && ones.every((one) => others.includes(one));

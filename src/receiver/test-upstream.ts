import { isProblem } from '../core/problem.ts';
import { deliveryMethods } from '../core/stream.ts';
import type { KeySource } from '../enforcement/jwks-fetch.ts';
import { algorithmOf, fits, type Jwk, publicMembers } from '../enforcement/token-signatures.ts';
import type { ClientOf } from './clients.ts';
import type {
  RemoteStream,
  TransmitterClient,
  TransmitterMetadata,
  Upstream,
  UpstreamStore,
  WantedStream,
} from './ports.ts';
import { isAsWanted, isOurs, wantedStream } from './wanted-stream.ts';

export const testSteps = ['metadata', 'keys', 'authorization', 'stream', 'status', 'delivery'] as const;
export type TestStep = {
  readonly step: (typeof testSteps)[number];
  /** `skipped`: a step before it must work first, or there is no such thing to look at. */
  readonly outcome: 'ok' | 'failed' | 'skipped';
  readonly text: string;
};

export type TestPorts = {
  readonly store: Pick<UpstreamStore, 'secretsOf'>;
  readonly clientOf: ClientOf;
  readonly fetchKeys: (source: KeySource) => Promise<readonly Jwk[]>;
  readonly hubUrl: () => string;
  /** Nobody on another machine comes by its URL. */
  readonly isHubLocal: boolean;
};

/** Looks at everything that can be looked at, and changes nothing anywhere. */
export async function testUpstream(upstream: Upstream, ports: TestPorts): Promise<readonly TestStep[]> {
  const { settings } = upstream;
  const unmanaged = settings.unmanaged;
  const opened = await open(upstream, ports);
  if (typeof opened === 'string') return [step('authorization', 'failed', opened)];
  const { client, wanted } = opened;
  if (unmanaged !== undefined) {
    return [
      step('metadata', 'skipped', 'Its operator told what would be in it.'),
      await testKeys(upstream, unmanaged.jwksUri, ports),
      ...['authorization', 'stream', 'status'].map((name) =>
        step(name as TestStep['step'], 'skipped', 'It has no management API.'),
      ),
      testDelivery(upstream, undefined, wanted, ports),
    ];
  }
  const metadata = await client.discover();
  if (metadata.kind === 'failed') return [step('metadata', 'failed', metadata.text), ...skipped('metadata')];
  return [
    step('metadata', 'ok', `It is the metadata of ${metadata.value.issuer}.`),
    await testKeys(upstream, metadata.value.jwksUri, ports),
    ...(await testManagement(upstream, metadata.value, client, wanted, ports)),
  ];
}

const step = (name: TestStep['step'], outcome: TestStep['outcome'], text: string): TestStep => ({
  step: name,
  outcome,
  text,
});

const skipped = (failed: TestStep['step']): readonly TestStep[] =>
  testSteps
    .slice(testSteps.indexOf(failed) + 1)
    .map((name) => step(name, 'skipped', `The step ${failed} must work first.`));

async function open(upstream: Upstream, { store, clientOf, hubUrl }: TestPorts) {
  try {
    const secrets = await store.secretsOf(upstream.name);
    if (secrets === undefined) return 'It is gone.';
    const { pushAuthorization } = secrets;
    const wanted = wantedStream(upstream, { hubUrl: hubUrl(), pushAuthorization });
    return { client: await clientOf(upstream), wanted };
  } catch (error) {
    if (isProblem(error) && error.code === 'invalid-configuration') return error.message;
    throw error;
  }
}

/** What is fetched here is held against the algorithm, and forgotten. */
async function testKeys(
  { settings }: Upstream,
  jwksUri: string,
  { fetchKeys }: TestPorts,
): Promise<TestStep> {
  const algorithm = algorithmOf(settings.algorithm);
  let keys: readonly Jwk[];
  try {
    keys = await fetchKeys({ url: settings.issuer, jwks_uri: jwksUri });
  } catch (error) {
    return step('keys', 'failed', error instanceof Error ? error.message : 'They cannot be had.');
  }
  const fitting = keys.filter((jwk) => {
    const members = publicMembers(jwk);
    return members !== undefined && algorithm !== undefined && fits(members, algorithm);
  });
  return fitting.length > 0
    ? step('keys', 'ok', `${fitting.length} of ${keys.length} keys are for ${settings.algorithm}.`)
    : step('keys', 'failed', `None of ${keys.length} keys is for ${settings.algorithm}: set "algorithm".`);
}

async function testManagement(
  upstream: Upstream,
  metadata: TransmitterMetadata,
  client: TransmitterClient,
  wanted: WantedStream,
  ports: TestPorts,
): Promise<readonly TestStep[]> {
  const { endpoints } = metadata;
  const listed = await client.listStreams(endpoints);
  if (listed.kind === 'failed')
    return [step('authorization', 'failed', listed.text), ...skipped('authorization')];
  const id = upstream.binding?.streamId;
  const stream = listed.value.find((one) => one.streamId === id || isOurs(one, wanted));
  const authorized = step(
    'authorization',
    'ok',
    `It shows ${listed.value.length} streams of the hub's client.`,
  );
  if (stream === undefined) {
    const text = 'There is none of this upstream yet: it is made when the upstream is looked after.';
    return [authorized, step('stream', 'failed', text), ...skipped('stream')];
  }
  return [
    authorized,
    isAsWanted(stream, wanted)
      ? step('stream', 'ok', `${stream.streamId} is as it is wanted.`)
      : step(
          'stream',
          'failed',
          `${stream.streamId} differs from what is wanted: it is updated in the next round.`,
        ),
    await testStatus(metadata, stream, client),
    testDelivery(upstream, { metadata, stream }, wanted, ports),
  ];
}

async function testStatus(
  { endpoints }: TransmitterMetadata,
  { streamId }: RemoteStream,
  client: TransmitterClient,
): Promise<TestStep> {
  if (endpoints.status === undefined)
    return step('status', 'skipped', 'Its Transmitter has no status_endpoint.');
  const read = await client.readStatus(endpoints, streamId);
  if (read.kind === 'failed') return step('status', 'failed', read.text);
  const { status, reason } = read.value;
  const text = `The stream is ${status}${reason === undefined ? '.' : `: ${reason}`}`;
  return step('status', status === 'enabled' ? 'ok' : 'failed', text);
}

function testDelivery(
  { settings }: Upstream,
  found: { readonly metadata: TransmitterMetadata; readonly stream: RemoteStream } | undefined,
  wanted: WantedStream,
  { isHubLocal }: TestPorts,
): TestStep {
  const { delivery } = settings;
  const offered = found?.metadata.deliveryMethods;
  if (offered !== undefined && !offered.includes(deliveryMethods[delivery]))
    return step('delivery', 'failed', `Its Transmitter does not deliver by ${delivery}.`);
  if (found !== undefined && found.stream.eventsDelivered.length === 0)
    return step('delivery', 'failed', 'The stream carries none of the events that it was asked for.');
  if (delivery === 'poll') {
    const url = found === undefined ? settings.unmanaged?.pollUrl : found.stream.endpointUrl;
    return url === undefined
      ? step('delivery', 'failed', 'The stream names no endpoint_url to poll.')
      : step('delivery', 'ok', `SETs are fetched at ${url}.`);
  }
  const url = 'endpoint_url' in wanted.delivery ? wanted.delivery.endpoint_url : '';
  return isHubLocal && !isLocal(settings.issuer)
    ? step('delivery', 'failed', `Nobody on another machine can push to ${url}: set PUBLIC_URL.`)
    : step('delivery', 'ok', `SETs are pushed to ${url}.`);
}

const isLocal = (url: string): boolean =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

import type { SafeFetch } from '../../core/outgoing.ts';
import { isJsonObject } from '../../core/text.ts';
import type { Json, JsonObject, Millis } from '../../core/vocabulary.ts';
import type {
  Called,
  OpenTransmitterClient,
  RemoteStream,
  TransmitterClient,
  TransmitterEndpoints,
  UpstreamCredentials,
  UpstreamSettings,
  WantedStream,
} from '../../receiver/ports.ts';
import { createRequestToken } from '../oauth4webapi/request-token.ts';
import { type Call, createCaller, type MakeCall, parseAnswer, readAnswer, unusable } from './call.ts';
import { discover } from './discover.ts';
import { pollSets } from './poll-sets.ts';
import { readRemoteStream, readStatus } from './remote-stream.ts';
import { createTokenKeeper } from './token-keeper.ts';

export type TransmitterClientOptions = {
  /** For metadata, management and tokens. */
  readonly fetch: SafeFetch;
  /** For polls, with `pollFetchLimits`. */
  readonly longFetch: SafeFetch;
  readonly nowMs: () => Millis;
};

/**
 * Calls Transmitters over SafeFetch. Whatever a Transmitter does, and whatever its authorization server does, is a
 * failure and never an error.
 *
 * @see SSF 1.0 §7, §8, RFC 8936 §2
 */
export const createOpenTransmitterClient =
  ({ fetch, longFetch, nowMs }: TransmitterClientOptions): OpenTransmitterClient =>
  (settings, credentials) => {
    const metadata = createCaller({ fetch, nowMs });
    let resource: string | undefined;
    const find = async (): ReturnType<TransmitterClient['discover']> => {
      const found = await discover(settings, metadata);
      if (found.kind === 'done') resource = found.value.endpoints.configuration;
      return found;
    };
    const tokens = tokensOf(credentials, {
      fetch,
      nowMs,
      // What is called first after a start may be a poll, which says nothing of the management API.
      findResources: async () => {
        if (resource === undefined && settings.unmanaged === undefined) await find();
        return [...new Set([resource ?? settings.issuer, settings.issuer])];
      },
    });
    const poll = createCaller({ fetch: longFetch, tokens, nowMs });
    return {
      discover: find,
      ...manageStreams(settings, createCaller({ fetch, tokens, nowMs })),
      poll: (ask) => pollSets(ask, poll),
    };
  };

const tokensOf = (
  credentials: UpstreamCredentials,
  options: Omit<Parameters<typeof createRequestToken>[0], 'credentials'>,
) =>
  createTokenKeeper({
    credentials,
    nowMs: options.nowMs,
    request:
      credentials.kind === 'client'
        ? createRequestToken({ ...options, credentials })
        : () => Promise.reject(new TypeError('only clients ask for tokens')),
  });

/** @see SSF 1.0 §8.1 */
function manageStreams(
  { issuer }: Pick<UpstreamSettings, 'issuer'>,
  call: MakeCall,
): Omit<TransmitterClient, 'discover' | 'poll'> {
  const readStream = async (asked: Call, streamId?: string): Promise<Called<RemoteStream>> => {
    const answered = await call(asked);
    if (answered.kind === 'failed') return answered;
    const expected = { issuer, ...(streamId === undefined ? {} : { streamId }) };
    return readAnswer(answered.value, asked, (object) => readRemoteStream(object, expected));
  };
  const readStatusOf = async (asked: Call, streamId: string) => {
    const answered = await call(asked);
    if (answered.kind === 'failed') return answered;
    return readAnswer(answered.value, asked, (object) => readStatus(object, streamId));
  };
  const nothing = async (asked: Call): Promise<Called<undefined>> => {
    const answered = await call(asked);
    return answered.kind === 'failed' ? answered : { kind: 'done', value: undefined };
  };
  return {
    async listStreams(endpoints) {
      const asked = { ...configuration(endpoints), method: 'GET', done: 200 } as const;
      const answered = await call(asked);
      return answered.kind === 'failed' ? answered : readList(answered.value, asked, issuer);
    },
    createStream: (endpoints, wanted) =>
      readStream({ ...configuration(endpoints), method: 'POST', body: bodyOf(wanted), done: 201 }),
    readStream: (endpoints, id) =>
      readStream({ ...configuration(endpoints, id), step: 'read', method: 'GET', done: 200 }, id),
    updateStream: (endpoints, id, wanted) =>
      readStream({ ...configuration(endpoints), method: 'PATCH', body: bodyOf(wanted, id), done: 200 }, id),
    replaceStream: (endpoints, id, wanted) =>
      readStream({ ...configuration(endpoints), method: 'PUT', body: bodyOf(wanted, id), done: 200 }, id),
    deleteStream: (endpoints, id) =>
      nothing({ ...configuration(endpoints, id), method: 'DELETE', done: 204 }),
    readStatus: ({ status }, id) =>
      readStatusOf({ ...statusAt(withStream(status, id)), method: 'GET', done: 200 }, id),
    setStatus: ({ status }, id, wanted) =>
      readStatusOf(
        { ...statusAt(status), method: 'POST', body: { stream_id: id, ...wanted }, done: 200 },
        id,
      ),
    verify: ({ verification: url }, id, state) =>
      nothing({
        step: 'verify',
        endpoint: 'verification_endpoint',
        url,
        method: 'POST',
        body: { stream_id: id, state },
        done: 204,
      }),
  };
}

/** Where a stream is asked about it stands in the query; where it is changed, in the body. @see SSF 1.0 §8.1.1 */
const configuration = ({ configuration: url }: TransmitterEndpoints, streamId?: string) =>
  ({ step: 'connect', endpoint: 'configuration_endpoint', url: withStream(url, streamId) }) as const;

const statusAt = (url: string | undefined) => ({ step: 'status', endpoint: 'status_endpoint', url }) as const;

/** An endpoint may have a query of its own, which stays as it is. */
function withStream(url: string | undefined, streamId: string | undefined): string | undefined {
  if (url === undefined || streamId === undefined) return url;
  return `${url}${url.includes('?') ? '&' : '?'}stream_id=${encodeURIComponent(streamId)}`;
}

const bodyOf = ({ delivery, eventsRequested, description }: WantedStream, streamId?: string): JsonObject => ({
  ...(streamId === undefined ? {} : { stream_id: streamId }),
  delivery,
  events_requested: eventsRequested,
  description,
});

/** One that is of another issuer spoils them all. @see SSF 1.0 §8.1.1.2 */
function readList(body: Uint8Array, asked: Call, issuer: string): Called<readonly RemoteStream[]> {
  const value = parseAnswer(body);
  if (!Array.isArray(value)) return unusable(asked, 'it is no JSON array that can be dealt with');
  const read = (value as readonly Json[]).map((item) =>
    isJsonObject(item) ? readRemoteStream(item, { issuer }) : 'a stream is no JSON object',
  );
  const wrong = read.find((stream) => typeof stream === 'string');
  if (wrong !== undefined) return unusable(asked, `of a stream, ${wrong}`);
  return { kind: 'done', value: read.filter((stream) => typeof stream !== 'string') };
}

import { randomUUID } from 'node:crypto';
import { streamUpdatedEventType, verificationEventType } from '../../src/core/set-claims.ts';
import type { Json, JsonObject } from '../../src/core/vocabulary.ts';
import type { ServerCertificate } from './certificates.ts';
import {
  makeUpstreamTokens,
  type UpstreamAuthorization,
  type UpstreamTokens,
} from './upstream-authorization.ts';
import { makeUpstreamDelivery, type UpstreamDelivery } from './upstream-delivery.ts';
import { type Reply, type Request, serveUpstream } from './upstream-http.ts';
import { makeUpstreamKeys, type SignOptions, type UpstreamKeys } from './upstream-keys.ts';
import { type Faults, makeFaults, makeRoutes, type Place } from './upstream-routes.ts';
import { makeUpstreamStreams, readObject, type UpstreamStream } from './upstream-streams.ts';

export type UpstreamOptions = {
  /** Absent: plain HTTP. */
  readonly tls?: ServerCertificate;
  /** PEM that pushes trust instead of the system's roots. */
  readonly ca?: string;
  /** Of the issuer, beginning with a slash; the empty text is an issuer without path. */
  readonly path?: string;
  /** Of its SETs; absent: ES256. */
  readonly algorithm?: string;
  readonly audience?: string;
  /** Streams that it allows: one, unless said otherwise. The next is answered 409. */
  readonly streamsMax?: number;
  readonly eventsSupported?: readonly string[];
  readonly minVerificationSeconds?: number;
  readonly authorization?: UpstreamAuthorization;
  /** A long poll is held so long, in milliseconds, when there is nothing. */
  readonly longPollMs?: number;
  /** More members of the metadata. */
  readonly metadata?: JsonObject;
};

export type UpstreamEvent = {
  /** Absent: the only stream. */
  readonly streamId?: string;
  readonly type: string;
  readonly subject: JsonObject;
  readonly data?: JsonObject;
  /** Over the claims as they should be. */
  readonly claims?: JsonObject;
  readonly sign?: SignOptions;
};

/** A whole SSF Transmitter over loopback, with its authorization server. What it does can be changed while it runs. */
export type Upstream = UpstreamDelivery & {
  readonly issuer: string;
  readonly metadataUrl: string;
  readonly jwksUri: string;
  /** Issuer of its authorization server. */
  readonly authorizationServer: string;
  readonly tokenEndpoint: string;
  readonly keys: UpstreamKeys;
  readonly sign: UpstreamKeys['sign'];
  readonly tokens: Pick<UpstreamTokens, 'given' | 'revoke'>;
  readonly streams: ReadonlyMap<string, UpstreamStream>;
  /** One that it has already; what is asked for is spelt as in a request. */
  readonly addStream: (asked?: JsonObject) => UpstreamStream;
  /** Every id that it gave out is stale from now on. */
  readonly forgetStreams: () => void;
  /** As they should be, for a SET about this event. */
  readonly claims: (event: UpstreamEvent) => JsonObject;
  /** Signs and delivers: pushes, and gives the answer, or queues for the next poll. */
  readonly emit: (event: UpstreamEvent) => ReturnType<UpstreamDelivery['deliver']>;
  /** Tells of it on the stream, as SSF 1.0 §8.1.5 has it. */
  readonly setStatus: (status: string, reason?: string, streamId?: string) => Promise<void>;
  /** What a request for verification leads to, from now on. */
  readonly verifies: (how: 'as-asked' | 'never' | 'with-another-state' | 'without-state') => void;
  /** In the order they came. */
  readonly requests: readonly (Request & { readonly place: Place })[];
  readonly misbehave: Faults['misbehave'];
  readonly behave: Faults['behave'];
  readonly close: () => Promise<void>;
};

export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const {
    tls,
    ca,
    path = '/tenant-1',
    audience = 'https://receiver.example/hub',
    longPollMs = 1_000,
  } = options;
  const faults = makeFaults();
  const requests: (Request & { readonly place: Place })[] = [];
  let find: ReturnType<typeof makeRoutes> = () => undefined;
  const { origin, close } = await serveUpstream(tls, async (request) => {
    const route = find(request.path);
    if (route === undefined) return { status: 404 };
    requests.push({ ...request, place: route.place });
    return faults.answer(route.place, () => route.answer(request, route.streamId));
  });
  const issuer = `${origin}${path}`;
  const authorizationServer = `${origin}/as`;
  const tokenEndpoint = `${authorizationServer}/token`;
  const keys = await makeUpstreamKeys(options.algorithm ?? 'ES256');
  const tokens = makeUpstreamTokens(options.authorization ?? { kind: 'none' }, [
    authorizationServer,
    tokenEndpoint,
  ]);
  const { all: streams, ...management } = makeUpstreamStreams({
    ...options,
    issuer,
    audience,
    streamsMax: options.streamsMax ?? 1,
    pollUrl: (streamId) => `${issuer}/poll/${streamId}`,
  });
  const { poll, ...delivery } = makeUpstreamDelivery({ streams, ca, longPollMs });
  const { verification, ...voice } = makeVoice({ issuer, audience, streams, keys, delivery });
  const answers = { streams: management.configure, status: management.status, verification, poll };
  find = makeRoutes({ origin, path, metadata: options.metadata ?? {}, keys, tokens, answers });
  return {
    ...delivery,
    ...voice,
    issuer,
    metadataUrl: `${origin}/.well-known/ssf-configuration${path}`,
    jwksUri: `${issuer}/jwks`,
    authorizationServer,
    tokenEndpoint,
    keys,
    sign: keys.sign,
    tokens,
    streams,
    addStream: management.add,
    forgetStreams: () => streams.clear(),
    requests,
    misbehave: faults.misbehave,
    behave: faults.behave,
    close,
  };
}

type VoiceParts = {
  readonly issuer: string;
  readonly audience: string;
  readonly streams: ReadonlyMap<string, UpstreamStream>;
  readonly keys: UpstreamKeys;
  readonly delivery: UpstreamDelivery;
};

/** What it says on its streams. */
function makeVoice({ issuer, audience, streams, keys, delivery }: VoiceParts): Pick<
  Upstream,
  'claims' | 'emit' | 'setStatus' | 'verifies'
> & {
  readonly verification: (request: Request) => Reply;
} {
  let verifies: Parameters<Upstream['verifies']>[0] = 'as-asked';
  const claims = (event: UpstreamEvent): JsonObject => ({
    iss: issuer,
    jti: `jti-${randomUUID()}`,
    iat: Math.floor(Date.now() / 1_000),
    aud: delivery.streamOf(event.streamId)?.aud ?? audience,
    sub_id: event.subject,
    events: { [event.type]: event.data ?? {} },
    ...event.claims,
  });
  const emit = async (event: UpstreamEvent) =>
    delivery.deliver(await keys.sign(claims(event), event.sign), event.streamId);
  const control = (streamId: string, type: string, data: JsonObject) =>
    emit({ streamId, type, data, subject: { format: 'opaque', id: streamId } });
  const sayVerification = (id: string, state: Json | undefined): void => {
    const said = { 'as-asked': state, 'with-another-state': 'another', 'without-state': undefined };
    if (verifies === 'never') return;
    const data = said[verifies];
    // Where nobody takes it, nobody is told: as in the world.
    void control(id, verificationEventType, data === undefined ? {} : { state: data }).catch(() => {});
  };
  return {
    claims,
    emit,
    async setStatus(status, reason, streamId) {
      const stream = delivery.streamOf(streamId);
      if (stream === undefined) throw new Error('the upstream has no such stream');
      const because = reason === undefined ? {} : { reason };
      await control(stream.id, streamUpdatedEventType, { status, ...because });
      Object.assign(stream, { status, ...because });
    },
    verifies: (how) => {
      verifies = how;
    },
    verification({ body }) {
      const { stream_id: id, state } = readObject(body);
      if (typeof id !== 'string' || !streams.has(id)) return { status: 404 };
      // The answer says that it will be sent, and no more.
      setImmediate(sayVerification, id, state);
      return { status: 204 };
    },
  };
}

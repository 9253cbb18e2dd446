import { randomUUID } from 'node:crypto';
import type { Json, JsonObject } from '../../src/core/vocabulary.ts';
import type { Reply, Request } from './upstream-http.ts';

/** A stream as the upstream keeps it; changed in place. */
export type UpstreamStream = {
  readonly id: string;
  aud: string;
  eventsRequested: readonly string[];
  delivery: {
    readonly method: string;
    readonly endpointUrl: string;
    readonly authorization?: string;
  };
  description?: string;
  status: string;
  reason?: string;
  /** Not acknowledged yet, by `jti`; of a poll stream. */
  readonly queue: Map<string, string>;
};

export type UpstreamStreamRules = {
  readonly issuer: string;
  readonly audience: string;
  /** More are answered 409. */
  readonly streamsMax: number;
  /** Absent: whatever is requested. */
  readonly eventsSupported?: readonly string[];
  readonly minVerificationSeconds?: number;
  /** As it stands in the path of the poll endpoint. */
  readonly pollUrl: (streamId: string) => string;
};

const pushMethod = 'urn:ietf:rfc:8935';
const pollMethod = 'urn:ietf:rfc:8936';
const statuses = new Set(['enabled', 'paused', 'disabled']);

export type UpstreamStreams = {
  readonly all: Map<string, UpstreamStream>;
  readonly add: (asked?: JsonObject) => UpstreamStream;
  /** SSF 1.0 §8.1.1. */
  readonly configure: (request: Request) => Reply;
  /** SSF 1.0 §8.1.2. */
  readonly status: (request: Request) => Reply;
};

export function makeUpstreamStreams(rules: UpstreamStreamRules): UpstreamStreams {
  const all = new Map<string, UpstreamStream>();
  const add = (asked: JsonObject = {}): UpstreamStream => {
    const id = `stream-${randomUUID()}`;
    const stream: UpstreamStream = {
      id,
      aud: rules.audience,
      eventsRequested: [],
      delivery: { method: pollMethod, endpointUrl: rules.pollUrl(id) },
      status: 'enabled',
      queue: new Map(),
    };
    change(stream, asked, rules);
    all.set(id, stream);
    return stream;
  };
  const shown = (stream: UpstreamStream) => showStream(stream, rules);
  const withStream = (id: Json | undefined | null, answer: (stream: UpstreamStream) => Reply): Reply => {
    if (typeof id !== 'string') return { status: 400 };
    const stream = all.get(id);
    return stream === undefined ? { status: 404 } : answer(stream);
  };
  const byMethod: Record<string, (request: Request) => Reply> = {
    GET: ({ query }) =>
      query.has('stream_id')
        ? withStream(query.get('stream_id'), (stream) => ({ status: 200, body: shown(stream) }))
        : { status: 200, body: [...all.values()].map(shown) },
    POST: (request) =>
      all.size >= rules.streamsMax
        ? { status: 409 }
        : { status: 201, body: shown(add(readObject(request.body))) },
    PATCH: ({ body }) => {
      const asked = readObject(body);
      return withStream(asked['stream_id'], (stream) => {
        change(stream, asked, rules);
        return { status: 200, body: shown(stream) };
      });
    },
    PUT: ({ body }) => {
      const asked = readObject(body);
      return withStream(asked['stream_id'], (stream) => {
        stream.eventsRequested = [];
        delete stream.description;
        change(stream, asked, rules);
        return { status: 200, body: shown(stream) };
      });
    },
    DELETE: ({ query }) =>
      withStream(query.get('stream_id'), ({ id }) => {
        all.delete(id);
        return { status: 204 };
      }),
  };
  return {
    all,
    add,
    configure: (request) => byMethod[request.method]?.(request) ?? { status: 405 },
    status(request) {
      if (request.method === 'GET') {
        return withStream(request.query.get('stream_id'), (stream) => ({
          status: 200,
          body: statusOf(stream),
        }));
      }
      const asked = readObject(request.body);
      return withStream(asked['stream_id'], (stream) => {
        const { status, reason } = asked;
        if (typeof status !== 'string' || !statuses.has(status)) return { status: 400 };
        stream.status = status;
        delete stream.reason;
        if (typeof reason === 'string') stream.reason = reason;
        return { status: 200, body: statusOf(stream) };
      });
    },
  };
}

const statusOf = ({ id, status, reason }: UpstreamStream): JsonObject => ({
  stream_id: id,
  status,
  ...(reason === undefined ? {} : { reason }),
});

/** What is not said stays as it is. */
function change(stream: UpstreamStream, asked: JsonObject, { pollUrl }: UpstreamStreamRules): void {
  const {
    delivery,
    events_requested: events,
    description,
  } = asked as {
    readonly delivery?: Readonly<Record<string, string>>;
    readonly events_requested?: readonly string[];
    readonly description?: string;
  };
  if (events !== undefined) stream.eventsRequested = events;
  if (description !== undefined) stream.description = description;
  if (delivery === undefined) return;
  const authorization = delivery['authorization_header'];
  stream.delivery =
    delivery['method'] === pushMethod
      ? {
          method: pushMethod,
          endpointUrl: delivery['endpoint_url'] ?? '',
          ...(authorization === undefined ? {} : { authorization }),
        }
      : { method: pollMethod, endpointUrl: pollUrl(stream.id) };
}

function showStream(stream: UpstreamStream, rules: UpstreamStreamRules): JsonObject {
  const { eventsSupported, minVerificationSeconds, issuer } = rules;
  const { id, aud, eventsRequested, delivery, description } = stream;
  return {
    stream_id: id,
    iss: issuer,
    aud,
    ...(eventsSupported === undefined ? {} : { events_supported: eventsSupported }),
    events_requested: eventsRequested,
    events_delivered: eventsRequested.filter((event) => eventsSupported?.includes(event) ?? true),
    delivery: { method: delivery.method, endpoint_url: delivery.endpointUrl },
    ...(minVerificationSeconds === undefined ? {} : { min_verification_interval: minVerificationSeconds }),
    ...(description === undefined ? {} : { description }),
  };
}

export const readObject = (text: string): JsonObject => JSON.parse(text) as JsonObject;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { formatCursor, parseListCursor } from '../http/list-cursor.ts';
import { StreamBody, StreamPatchBody, StreamReply, toReceiver, toStreamReply } from './admin-schemas.ts';
import type { Operation } from './operate.ts';
import type { By, StreamStore } from './ports.ts';

export type StreamRoutesOptions = {
  readonly operation: Operation;
  readonly store: Pick<StreamStore, 'list'>;
  readonly issuer: () => string;
  readonly nowMs: () => number;
};

const tags = ['streams'];
const pageMax = 200;
const config = { scopes: ['streams.write'] } as const;
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });

const listStreams = {
  config,
  schema: {
    tags,
    summary: 'List streams',
    description: 'Of all receivers, oldest first.',
    querystring: Type.Object(
      {
        receiver: Type.Optional(Type.String({ maxLength: 80 })),
        cursor: Type.Optional(Type.String({ maxLength: 96 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pageMax, default: 50 })),
      },
      { additionalProperties: false },
    ),
    response: {
      200: Type.Object({
        items: Type.Array(StreamReply),
        next_cursor: Type.Union([Type.String(), Type.Null()]),
      }),
    },
  },
} as const;

const createStream = {
  config: { ...config, refuses: [409] },
  schema: {
    tags,
    summary: 'Make a stream for a receiver',
    description: 'As if the receiver had made it: it manages it from then on.',
    body: StreamBody,
    response: { 201: StreamReply },
  },
} as const;

const showStream = {
  config,
  schema: { tags, summary: 'Show a stream', params: IdParams, response: { 200: StreamReply } },
} as const;

const changeStream = {
  config,
  schema: {
    tags,
    summary: 'Pause, disable, enable or set a stream',
    description:
      'A change of status is told to the receiver over the stream itself, before it stops (SSF 1.0 §8.1.5).',
    params: IdParams,
    body: StreamPatchBody,
    response: { 200: StreamReply },
  },
} as const;

const removeStream = {
  config,
  schema: {
    tags,
    summary: 'Delete a stream',
    description: 'With all that waits in it. The receiver is not told: disable it first, with a reason.',
    params: IdParams,
    response: { 204: Type.Null() },
  },
} as const;

const verifyStream = {
  config,
  schema: {
    tags,
    summary: 'Send a verification event',
    description: 'Unasked, hence without `state`; counts nothing against the receiver.',
    params: IdParams,
    response: { 204: Type.Null() },
  },
} as const;

/** `/v1/streams`: what operators do with the streams of receivers. */
export const streamRoutes: FastifyPluginAsyncTypebox<StreamRoutesOptions> = async (app, options) => {
  const { operation, store, issuer, nowMs } = options;
  const by = (request: FastifyRequest): By => ({
    actor: request.caller.actor,
    atMs: nowMs(),
    correlationId: request.id,
  });

  app.get('/v1/streams', listStreams, async ({ query: { receiver, cursor, limit = 50 } }) => {
    const streams = await store.list({
      limit: limit + 1,
      ...(receiver === undefined ? {} : { receiver: toReceiver(receiver) }),
      ...(cursor === undefined ? {} : { after: parseListCursor(cursor) }),
    });
    const page = streams.slice(0, limit);
    const last = streams.length > limit ? page.at(-1) : undefined;
    return {
      items: page.map((stream) => toStreamReply(stream, issuer())),
      next_cursor: last === undefined ? null : formatCursor({ atMs: last.createdAtMs, id: last.id }),
    };
  });

  app.post('/v1/streams', createStream, async (request, reply) => {
    const stream = await operation.create(request.body, by(request));
    return reply.code(201).send(toStreamReply(stream, issuer()));
  });
  app.get('/v1/streams/:id', showStream, async ({ params }) =>
    toStreamReply(await operation.find(params.id), issuer()),
  );
  app.patch('/v1/streams/:id', changeStream, async (request) =>
    toStreamReply(await operation.change(request.params.id, request.body, by(request)), issuer()),
  );
  app.delete('/v1/streams/:id', removeStream, async (request, reply) => {
    await operation.remove(request.params.id, by(request));
    return reply.code(204).send(null);
  });
  app.post('/v1/streams/:id/verify', verifyStream, async (request, reply) => {
    await operation.verify(request.params.id, by(request));
    return reply.code(204).send(null);
  });
};

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Stream } from '../core/stream.ts';
import { streamId, type Millis } from '../core/vocabulary.ts';
import type { DeadLetter, DeadLetters, Replay } from './delivery-ports.ts';
import { noSuchStream } from './manage.ts';
import type { StreamStore } from './ports.ts';
import type { Samples } from './samples.ts';

export type UndeliveredRoutesOptions = {
  readonly find: StreamStore['find'];
  readonly letters: DeadLetters;
  readonly replay: Replay;
  readonly samples: Samples;
  readonly nowMs: () => Millis;
};

const tags = ['streams'];
const pageMax = 200;
const idsMax = 1_000;
const config = { scopes: ['streams.write'] } as const;
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });

export const DeadLetterReply = Type.Object({
  jti: Type.String(),
  event_type: Type.String(),
  signal_id: Type.Optional(Type.String()),
  attempts: Type.Integer(),
  created_at_ms: Type.Integer(),
  dead_since_ms: Type.Integer(),
  answer: Type.Object(
    {
      status: Type.Optional(Type.Integer()),
      err: Type.Optional(Type.String()),
      description: Type.Optional(Type.String()),
    },
    { description: 'The last word of the receiver, or what came instead of one.' },
  ),
});

const listDead = {
  config,
  schema: {
    tags,
    summary: 'List the SETs that a receiver did not take',
    params: IdParams,
    querystring: Type.Object(
      {
        cursor: Type.Optional(Type.Integer({ minimum: 0, description: '`next_cursor` of the page before.' })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pageMax, default: 50 })),
      },
      { additionalProperties: false },
    ),
    response: {
      200: Type.Object({
        items: Type.Array(DeadLetterReply),
        next_cursor: Type.Union([Type.String(), Type.Null()]),
      }),
    },
  },
} as const;

const replayDead = {
  config,
  schema: {
    tags,
    summary: 'Send dead SETs again',
    description:
      'All of the stream, or those named, or those made within a time; the same bytes and the same jti. Some ten thousand ' +
      'at a time, oldest first; `more` says that there may be others.',
    params: IdParams,
    querystring: Type.Object(
      { dry_run: Type.Optional(Type.Boolean({ default: false, description: 'Only count them.' })) },
      { additionalProperties: false },
    ),
    body: Type.Object(
      {
        jtis: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: idsMax })),
        from_ms: Type.Optional(Type.Integer({ minimum: 0, examples: [1_763_764_000_000] })),
        until_ms: Type.Optional(Type.Integer({ minimum: 0 })),
      },
      { additionalProperties: false },
    ),
    response: {
      200: Type.Object({
        count: Type.Integer(),
        more: Type.Boolean({ description: 'It looked no further: ask again for the rest.' }),
        dry_run: Type.Boolean(),
      }),
    },
  },
} as const;

const sendSamples = {
  config,
  schema: {
    tags,
    summary: 'Send one sample of each event that the stream delivers',
    description:
      'About sample@example.com, marked by nothing else: tell whoever acts on events before you do this.',
    params: IdParams,
    response: { 202: Type.Object({ event_types: Type.Array(Type.String()) }) },
  },
} as const;

/** `/v1/streams/:id/{dead-letters,replay,samples}` */
export const undeliveredRoutes: FastifyPluginAsyncTypebox<UndeliveredRoutesOptions> = async (
  app,
  { find, letters, replay, samples, nowMs },
) => {
  const streamOf = async (id: string): Promise<Stream> => {
    const stream = await find(streamId(id));
    if (stream === undefined) throw noSuchStream();
    return stream;
  };
  const byOf = ({ caller, id }: FastifyRequest) => ({
    actor: caller.actor,
    atMs: nowMs(),
    correlationId: id,
  });

  app.get('/v1/streams/:id/dead-letters', listDead, async ({ params, query }) => {
    const { limit = 50, cursor: after } = query;
    const { id } = await streamOf(params.id);
    const found = await letters.list(id, { ...(after === undefined ? {} : { after }), limit: limit + 1 });
    const items = found.slice(0, limit);
    return { items: items.map(toReply), next_cursor: found.length > limit ? `${items.at(-1)?.seq}` : null };
  });

  app.post('/v1/streams/:id/replay', replayDead, async (request) => {
    const { jtis, from_ms: fromMs, until_ms: untilMs } = request.body;
    const { dry_run: dryRun = false } = request.query;
    const { id } = await streamOf(request.params.id);
    const range = {
      ...(jtis === undefined ? {} : { ids: jtis }),
      ...(fromMs === undefined ? {} : { fromMs }),
      ...(untilMs === undefined ? {} : { untilMs }),
    };
    return { ...(await replay(id, range, { dryRun, by: byOf(request) })), dry_run: dryRun };
  });

  app.post('/v1/streams/:id/samples', sendSamples, async (request, reply) => {
    const stream = await streamOf(request.params.id);
    void reply.code(202);
    return { event_types: [...(await samples(stream, byOf(request)))] };
  });
};

const toReply = (letter: DeadLetter) => ({
  jti: letter.id,
  event_type: letter.eventType,
  ...(letter.signalId === undefined ? {} : { signal_id: letter.signalId }),
  attempts: letter.attempts,
  created_at_ms: letter.createdAtMs,
  dead_since_ms: letter.settledAtMs,
  answer: {
    ...(letter.answer.status === undefined ? {} : { status: letter.answer.status }),
    ...(letter.answer.err === undefined ? {} : { err: letter.answer.err }),
    ...(letter.answer.description === undefined ? {} : { description: letter.answer.description }),
  },
});

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Stream } from '../core/stream.ts';
import { streamId, type Millis } from '../core/vocabulary.ts';
import type { Replay } from './delivery-ports.ts';
import { noSuchStream } from './manage.ts';
import type { StreamStore } from './ports.ts';
import type { Samples } from './samples.ts';

export type ReplayRoutesOptions = {
  readonly find: StreamStore['find'];
  readonly replay: Replay;
  readonly samples: Samples;
  readonly nowMs: () => Millis;
};

const tags = ['streams'];
const idsMax = 1_000;
const config = { scopes: ['streams.write'] } as const;
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });

const replayDead = {
  config,
  schema: {
    tags,
    summary: 'Send dead SETs again',
    description:
      'All of the stream, or those named, or those made within a time; the same bytes and the same jti. Some ten thousand ' +
      'at a time, oldest first; `more` says that there may be others. What a later SET outdates, as when an account that ' +
      'was enabled has been disabled since, is not sent again.',
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
        outdated: Type.Integer({ description: 'Left dead: a later SET says what holds now.' }),
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

/** `/v1/streams/:id/{replay,samples}` */
export const replayRoutes: FastifyPluginAsyncTypebox<ReplayRoutesOptions> = async (
  app,
  { find, replay, samples, nowMs },
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

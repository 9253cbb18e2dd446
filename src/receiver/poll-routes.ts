import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Polled } from './poll-now.ts';

export type PollNowRouteOptions = { readonly pollNow: (name: string) => Promise<Polled> };

const pollUpstream = {
  config: { scopes: ['upstreams.write'], refuses: [409, 502] },
  schema: {
    tags: ['upstreams'],
    summary: 'Poll an upstream once, now',
    description:
      'What comes is taken in and acknowledged. It is polled all the time anyway, unless it is paused.',
    params: Type.Object({ name: Type.String({ maxLength: 64 }) }),
    response: {
      200: Type.Object({
        received: Type.Integer(),
        acknowledged: Type.Integer(),
        refused: Type.Array(
          Type.Object({ jti: Type.String(), err: Type.String(), description: Type.String() }),
        ),
        more_available: Type.Boolean(),
      }),
    },
  },
} as const;

/** `POST /v1/upstreams/:name/poll` */
export const pollNowRoute: FastifyPluginAsyncTypebox<PollNowRouteOptions> = async (app, { pollNow }) => {
  app.post('/v1/upstreams/:name/poll', pollUpstream, async ({ params: { name } }) => {
    const { moreAvailable, refused, ...counts } = await pollNow(name);
    return { ...counts, refused: [...refused], more_available: moreAvailable };
  });
};

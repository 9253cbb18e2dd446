import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { Problem } from '../core/problem.ts';
import { setErrorCodes, type SetErrorCode } from '../core/received-set.ts';
import { upstreamId, type UpstreamId } from '../core/vocabulary.ts';
import { setBytesMax } from './accept-set.ts';
import type { Upstream } from './ports.ts';
import type { AcceptSet } from './set-ports.ts';

export type PushRoutesOptions = {
  readonly find: (id: UpstreamId) => Upstream | undefined;
  readonly accept: AcceptSet;
  readonly noteRefusal: (upstream: Upstream, err: SetErrorCode) => void;
};

const pushSet = {
  config: { public: true },
  schema: {
    tags: ['ssf'],
    summary: 'Take a SET of an upstream',
    description:
      'RFC 8935: the body is the SET, in compact form. 202 without a body once what follows from it is durable, also for a ' +
      'SET that came before; 400 says which code of RFC 8935 §2.4 it breaks. The Authorization is the one that the hub gave ' +
      'to the Transmitter with the stream.',
    consumes: ['application/secevent+jwt'],
    params: Type.Object({ upstream_id: Type.String({ maxLength: 128 }) }),
    body: Type.String({
      description: 'The SET.',
      examples: ['eyJ0eXAiOiJzZWNldmVudCtqd3Qi….eyJpc3Mi….MEUC…'],
    }),
    response: {
      202: Type.Null({ description: 'Taken.' }),
      400: Type.Object(
        { err: Type.Enum([...setErrorCodes]), description: Type.String() },
        { description: 'Not taken, and it need not come again as it is.' },
      ),
    },
  },
} as const;

/**
 * `POST /ssf/push/:upstream_id`. Who does not carry the right Authorization is turned away before the body is read.
 *
 * @see RFC 8935 §2
 */
export const pushRoutes: FastifyPluginAsyncTypebox<PushRoutesOptions> = async (app, options) => {
  app.addContentTypeParser(
    'application/secevent+jwt',
    { parseAs: 'string', bodyLimit: setBytesMax },
    async (_request: FastifyRequest, text: string) => text,
  );
  app.post(
    '/ssf/push/:upstream_id',
    {
      ...pushSet,
      onRequest: async (request, reply) => {
        const upstream = upstreamOf(request, options);
        if (isSame(request.headers.authorization, upstream.pushAuthorizationSha256)) return undefined;
        options.noteRefusal(upstream, 'authentication_failed');
        return reply.code(400).header('content-language', 'en').type('application/json').send({
          err: 'authentication_failed',
          description: 'The Authorization is not the one that was agreed upon for this stream.',
        });
      },
    },
    async (request, reply) => {
      const upstream = upstreamOf(request, options);
      if (upstream.paused) throw isPaused();
      const answer = await options.accept(upstream, request.body);
      if (answer.kind === 'acknowledged') return reply.code(202).send(null);
      const { err, description } = answer;
      return reply
        .code(400)
        .header('content-language', 'en')
        .type('application/json')
        .send({ err, description });
    },
  );
};

function upstreamOf(request: FastifyRequest, { find }: PushRoutesOptions): Upstream {
  const { upstream_id: id } = request.params as { readonly upstream_id: string };
  const upstream = find(upstreamId(id));
  if (upstream === undefined || upstream.settings.delivery !== 'push') {
    throw new Problem('not-found', 'There is no such place to push to.', {
      hint: 'Push to the endpoint_url of the stream.',
    });
  }
  return upstream;
}

const isPaused = (): Problem =>
  new Problem('issuer-unavailable', 'This upstream is paused.', { hint: 'Send the SET again later.' });

/** Digests are compared: equally long, whatever came. */
const isSame = (presented: string | undefined, wanted: Uint8Array): boolean =>
  timingSafeEqual(
    createHash('sha256')
      .update(presented ?? '')
      .digest(),
    wanted,
  );

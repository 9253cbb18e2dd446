import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Millis } from '../core/vocabulary.ts';
import type { Asking, UpstreamManagement } from './manage-upstreams.ts';
import type { Upstream, UpstreamStore } from './ports.ts';
import { toUpstreamReply } from './upstream-reply.ts';
import {
  NewUpstreamReply,
  RemovedReply,
  UpstreamBody,
  UpstreamPatchBody,
  UpstreamReply,
} from './upstream-schemas.ts';

export type UpstreamRoutesOptions = {
  readonly management: UpstreamManagement;
  readonly store: Pick<UpstreamStore, 'list'>;
  readonly hubUrl: () => string;
  readonly nowMs: () => Millis;
};

const tags = ['upstreams'];
const write = { scopes: ['upstreams.write'] } as const;
const read = { scopes: ['upstreams.write', 'audit.read'] } as const;
const NameParams = Type.Object({ name: Type.String({ maxLength: 64 }) });

const addUpstream = {
  config: { ...write, refuses: [409, 502] },
  schema: {
    tags,
    summary: 'Listen to a Transmitter',
    description:
      'It is written down before this is answered, and connected in the background: its `health` says how that goes. ' +
      'For credentials by `private_key_jwt` the hub makes a key, whose public JWK is in the answer.',
    body: UpstreamBody,
    response: { 201: NewUpstreamReply },
  },
} as const;

const listUpstreams = {
  config: read,
  schema: {
    tags,
    summary: 'List upstreams',
    description: 'All of them, by name. Their credentials are not shown here.',
    response: { 200: Type.Object({ items: Type.Array(UpstreamReply), next_cursor: Type.Null() }) },
  },
} as const;

const showUpstream = {
  config: read,
  schema: {
    tags,
    summary: 'Show an upstream',
    description: 'With its credentials, except what of them is secret.',
    params: NameParams,
    response: { 200: UpstreamReply },
  },
} as const;

const changeUpstream = {
  config: { ...write, refuses: [409] },
  schema: {
    tags,
    summary: 'Pause, resume or set an upstream',
    description:
      'What is left out stays. Whatever changes what its SETs are held against, or how they come, connects it anew: until ' +
      'then none is taken. Its issuer cannot change: that is another upstream.',
    params: NameParams,
    body: UpstreamPatchBody,
    response: { 200: UpstreamReply },
  },
} as const;

const removeUpstream = {
  config: { ...write, refuses: [409] },
  schema: {
    tags,
    summary: 'Listen to a Transmitter no more',
    description:
      'Its stream is deleted at the Transmitter, too, unless `keep_stream` says otherwise; if that fails, it is told and the ' +
      'upstream is removed nevertheless. Its source, and what was done on its word, stay.',
    params: NameParams,
    querystring: Type.Object(
      { keep_stream: Type.Optional(Type.Boolean({ default: false })) },
      { additionalProperties: false },
    ),
    response: { 200: RemovedReply },
  },
} as const;

/** `/v1/upstreams`: Transmitters that the hub listens to. */
export const upstreamRoutes: FastifyPluginAsyncTypebox<UpstreamRoutesOptions> = async (app, options) => {
  const { management, store, hubUrl, nowMs } = options;
  const by = ({ caller, id }: FastifyRequest): Asking => ({ caller, correlationId: id });
  const shown = async (upstream: Upstream) => {
    const credentials = await management.credentialsOf(upstream);
    return toUpstreamReply(upstream, {
      hubUrl: hubUrl(),
      nowMs: nowMs(),
      ...(credentials === undefined ? {} : { credentials }),
    });
  };

  app.post('/v1/upstreams', addUpstream, async (request, reply) => {
    const { upstream, credentials, pushAuthorization } = await management.add(request.body, by(request));
    return reply.code(201).send({
      ...toUpstreamReply(upstream, { hubUrl: hubUrl(), nowMs: nowMs(), credentials }),
      ...(pushAuthorization === undefined ? {} : { push_authorization: pushAuthorization }),
    });
  });

  app.get('/v1/upstreams', listUpstreams, async () => ({
    items: (await store.list()).map((one) => toUpstreamReply(one, { hubUrl: hubUrl(), nowMs: nowMs() })),
    next_cursor: null,
  }));

  app.get('/v1/upstreams/:name', showUpstream, async ({ params }) =>
    shown(await management.find(params.name)),
  );

  app.patch('/v1/upstreams/:name', changeUpstream, async (request) => {
    const { upstream, warnings } = await management.change(request.params.name, request.body, by(request));
    return { ...(await shown(upstream)), ...(warnings.length === 0 ? {} : { warnings: [...warnings] }) };
  });

  app.delete('/v1/upstreams/:name', removeUpstream, async (request) => {
    const { name } = request.params;
    const removed = await management.remove(
      name,
      { keepStream: request.query.keep_stream ?? false },
      by(request),
    );
    return { removed: name, ...removed };
  });
};

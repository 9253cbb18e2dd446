import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { listOf, pageOf, pageQuery } from '../http/list-page.ts';
import { Problem } from '../core/problem.ts';
import { sourceId } from '../core/vocabulary.ts';
import { may, type Caller } from '../http/caller.ts';
import type { SourceStore } from './ports.ts';
import { SourceBody, SourceReply, toSource, toSourceReply } from './schemas.ts';

export type SourceRoutesOptions = { readonly store: SourceStore; readonly nowMs: () => number };

const tags = ['sources'];
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });

const listSources = {
  config: { scopes: ['sources.write', 'audit.read'] },
  schema: {
    tags,
    summary: 'List sources',
    querystring: Type.Object(pageQuery(), { additionalProperties: false }),
    response: { 200: listOf(SourceReply) },
  },
} as const;

const showSource = {
  config: { scopes: ['sources.write', 'audit.read'] },
  schema: { tags, summary: 'Show a source', params: IdParams, response: { 200: SourceReply } },
} as const;

const putSource = {
  config: { scopes: ['sources.write'] },
  schema: {
    tags,
    summary: 'Set what a source may cause',
    description:
      'Creates the source or replaces its limits; what is left out takes its default. In force for the next signal. ' +
      'Give a source to a token with POST /v1/tokens.',
    params: IdParams,
    body: SourceBody,
    response: { 200: SourceReply, 201: SourceReply },
  },
} as const;

/** `/v1/sources`: who speaks through a door, and the most that this may cause. */
export const sourceRoutes: FastifyPluginAsyncTypebox<SourceRoutesOptions> = async (app, { store, nowMs }) => {
  app.get('/v1/sources', listSources, async ({ query: { cursor, limit } }) =>
    pageOf({
      limit,
      find: (rows) => store.list({ limit: rows, ...(cursor === undefined ? {} : { after: cursor }) }),
      toItem: toSourceReply,
      cursorOf: ({ id }) => id,
    }),
  );

  app.get('/v1/sources/:id', showSource, async (request) => {
    const source = await store.find(sourceId(request.params.id));
    if (!source)
      throw new Problem('not-found', 'There is no such source.', { hint: 'GET /v1/sources lists them.' });
    return toSourceReply(source);
  });

  app.put('/v1/sources/:id', putSource, async (request, reply) => {
    const { id } = request.params;
    refuseOwnLimits(id, request.body, request.caller);
    const before = await store.find(sourceId(id));
    const source = toSource(id, { person: before?.person ?? false, ...request.body });
    const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
    const done = await store.put(source, change);
    return reply.code(done === 'created' ? 201 : 200).send(toSourceReply(source));
  });
};

/** Nobody widens their own limits, makes a program a person, or silences those who administer the hub. */
function refuseOwnLimits(id: string, body: { readonly person?: boolean }, caller: Caller): void {
  if (may(caller, 'admin')) return;
  if (id !== caller.source.id && id !== bootstrapSource && body.person === undefined) return;
  throw new Problem(
    'insufficient-scope',
    'Only admin sets the limits of its own source, of "admin", and who is a person.',
    {
      hint: 'Ask somebody whose token has the scope admin.',
      extra: { scope: 'admin' },
    },
  );
}

/** The source of the token that the hub was started with. */
const bootstrapSource = 'admin';

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { toIssuerReply, toIssuerSettings } from '../core/issuer-schemas.ts';
import { Problem } from '../core/problem.ts';
import type { IssuerStore } from './ports.ts';
import { IssuerBody, IssuerReply } from './schemas.ts';

export type IssuerRoutesOptions = {
  readonly store: IssuerStore;
  readonly nowMs: () => number;
  /** Makes a change known to this node, so that whoever was answered may count on it with the next request. Never rejects. */
  readonly catchUp: () => Promise<void>;
};

const tags = ['issuers'];
const UrlQuery = Type.Object(
  {
    url: Type.String({
      maxLength: 2_048,
      description: 'The issuer, as in `iss`.',
      examples: ['https://login.example'],
    }),
  },
  { additionalProperties: false },
);

const listIssuers = {
  config: { scopes: ['issuers.write', 'agents.read', 'point', 'feed.read'] },
  schema: {
    tags,
    summary: 'List issuers',
    description: 'Every issuer whose tokens points accept. Points get the same list with the feed.',
    response: { 200: Type.Object({ items: Type.Array(IssuerReply), next_cursor: Type.Null() }) },
  },
} as const;

const putIssuer = {
  config: { scopes: ['issuers.write'] },
  schema: {
    tags,
    summary: 'Add or replace an issuer',
    description: 'What is left out is filled from the profile. Points hear of it at once.',
    body: IssuerBody,
    response: { 200: IssuerReply, 201: IssuerReply },
  },
} as const;

const removeIssuer = {
  config: { scopes: ['issuers.write'] },
  schema: {
    tags,
    summary: 'Remove an issuer',
    description: 'Points refuse its tokens from now on. Its revocations stay.',
    querystring: UrlQuery,
    response: { 204: Type.Null() },
  },
} as const;

/** `/v1/issuers`: whose access tokens points accept, and how they are read (DESIGN: issuers are pinned, never guessed). */
export const issuerRoutes: FastifyPluginAsyncTypebox<IssuerRoutesOptions> = async (
  app,
  { store, nowMs, catchUp },
) => {
  app.get('/v1/issuers', listIssuers, async () => ({
    items: (await store.list()).map(toIssuerReply),
    next_cursor: null,
  }));

  app.put('/v1/issuers', putIssuer, async (request, reply) => {
    const settings = toIssuerSettings(request.body);
    const done = await store.put(settings, changeBy(request.caller.actor, request.id, nowMs()));
    await catchUp();
    return reply.code(done === 'created' ? 201 : 200).send(toIssuerReply(settings));
  });

  app.delete('/v1/issuers', removeIssuer, async (request, reply) => {
    const removed = await store.remove(
      request.query.url,
      changeBy(request.caller.actor, request.id, nowMs()),
    );
    if (!removed) {
      throw new Problem('not-found', `There is no issuer ${request.query.url}.`, {
        hint: 'GET /v1/issuers lists them; the URL must be equal byte for byte.',
      });
    }
    await catchUp();
    return reply.code(204).send(null);
  });
};

const changeBy = (actor: string, correlationId: string, atMs: number) => ({ actor, atMs, correlationId });

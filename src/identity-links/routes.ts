import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { listOf, pageOf, pageQuery } from '../http/list-page.ts';
import { parseIdentity, parseKnownAs } from '../core/known-as.ts';
import { Problem } from '../core/problem.ts';
import { identifier } from '../core/vocabulary.ts';
import type { Change, IdentityLinkStore } from './ports.ts';
import { LinkBody, LinkChangedReply, LinkReply, toBoundReply, toLinkReply } from './schemas.ts';

export type IdentityLinkRoutesOptions = {
  readonly store: IdentityLinkStore;
  readonly nowMs: () => number;
  /** The issuer meant where a match leaves `iss` out. */
  readonly onlyIssuer: () => string | undefined;
};

const tags = ['agents'];
const identifierMax = 4_096;

const listLinks = {
  config: { scopes: ['agents.read', 'agents.write'] },
  schema: {
    tags,
    summary: 'List identity links',
    querystring: Type.Object(pageQuery(Type.String({ maxLength: identifierMax })), {
      additionalProperties: false,
    }),
    response: { 200: listOf(LinkReply) },
  },
} as const;

const putLink = {
  config: { scopes: ['agents.write'] },
  schema: {
    tags,
    summary: 'Say which key stands behind an identifier',
    description: 'Creates or replaces. Kills that waited for the identifier bind in the same transaction.',
    body: LinkBody,
    response: { 200: LinkChangedReply },
  },
} as const;

const removeLink = {
  config: { scopes: ['agents.write'] },
  schema: {
    tags,
    summary: 'Forget an identity link',
    description: 'Entries that were put because of it stay until lifted.',
    querystring: Type.Object(
      {
        identifier: Type.String({
          maxLength: identifierMax,
          description: 'As listed.',
          examples: ['email:mara@example.com'],
        }),
      },
      { additionalProperties: false },
    ),
    response: { 204: Type.Null() },
  },
} as const;

/** `/v1/identity-links`: which key stands behind an e-mail address, a phone number, an opaque id of somebody who is no agent. */
export const identityLinkRoutes: FastifyPluginAsyncTypebox<IdentityLinkRoutesOptions> = async (
  app,
  options,
) => {
  const { store, nowMs, onlyIssuer } = options;

  app.get('/v1/identity-links', listLinks, async ({ query: { cursor, limit } }) =>
    pageOf({
      limit,
      find: (rows) => store.list({ limit: rows, ...(cursor === undefined ? {} : { after: cursor }) }),
      toItem: toLinkReply,
      cursorOf: ({ identifier }) => identifier,
    }),
  );

  app.put('/v1/identity-links', putLink, async (request) => {
    const link = {
      ...parseKnownAs({ ...request.body.subject }, '/subject'),
      match: parseIdentity({ ...request.body.match }, '/match', onlyIssuer()),
    };
    const bound = await store.put(link, changeBy(request, nowMs()));
    return { link: toLinkReply(link), bound: toBoundReply(bound) };
  });

  app.delete('/v1/identity-links', removeLink, async (request, reply) => {
    const removed = await store.remove(identifier(request.query.identifier), changeBy(request, nowMs()));
    if (!removed) {
      throw new Problem('not-found', 'There is no such link.', {
        hint: 'GET /v1/identity-links lists them.',
      });
    }
    return reply.code(204).send(null);
  });
};

const changeBy = (request: FastifyRequest, atMs: number): Change => ({
  actor: request.caller.actor,
  atMs,
  correlationId: request.id,
});

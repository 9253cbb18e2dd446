import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { pageOf, pageQuery } from '../http/list-page.ts';
import { Problem } from '../core/problem.ts';
import { tokenId } from '../core/vocabulary.ts';
import { makeToken, type MakeTokenOptions } from './make-token.ts';
import type { TokenStore } from './ports.ts';
import { NewTokenReply, TokenBody, TokenList, TokenReply, toTokenReply, toTokenRequest } from './schemas.ts';

export type TokenRoutesOptions = Omit<MakeTokenOptions, 'store'> & {
  readonly store: Pick<TokenStore, 'create' | 'list' | 'find' | 'revoke'>;
};

const tags = ['tokens'];
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });
const PageQuery = Type.Object(pageQuery(), { additionalProperties: false });

/** `/v1/tokens`: who may call. */
export const tokenRoutes: FastifyPluginAsyncTypebox<TokenRoutesOptions> = async (app, options) => {
  const { store, nowMs } = options;
  app.post(
    '/v1/tokens',
    {
      config: { scopes: ['admin', 'points.write'] },
      schema: {
        tags,
        summary: 'Make a token',
        description: 'The answer holds the secret, and no other answer ever will.',
        body: TokenBody,
        response: { 201: NewTokenReply },
      },
    },
    async (request, reply) => {
      const made = await makeToken(toTokenRequest(request.body), request.caller, request.id, options);
      return reply.code(201).send({ ...toTokenReply(made.token), token: made.secret });
    },
  );

  app.get(
    '/v1/tokens',
    {
      config: { scopes: ['admin', 'audit.read'] },
      schema: {
        tags,
        summary: 'List tokens',
        description: 'Revoked and expired ones are among them. Secrets are not.',
        querystring: PageQuery,
        response: { 200: TokenList },
      },
    },
    async ({ query: { cursor, limit } }) =>
      pageOf({
        limit,
        find: (rows) => store.list({ limit: rows, ...(cursor === undefined ? {} : { after: cursor }) }),
        toItem: toTokenReply,
        cursorOf: ({ id }) => id,
      }),
  );

  app.get(
    '/v1/tokens/:id',
    {
      config: { scopes: ['admin', 'audit.read'] },
      schema: { tags, summary: 'Show a token', params: IdParams, response: { 200: TokenReply } },
    },
    async ({ params }) => {
      const token = await store.find(tokenId(params.id));
      if (token === undefined) throw noSuchToken();
      return toTokenReply(token);
    },
  );

  app.delete(
    '/v1/tokens/:id',
    {
      config: { scopes: ['admin'] },
      schema: {
        tags,
        summary: 'Revoke a token',
        description:
          'At once, on every node; a feed that was opened with it is cut. Unless it was an admin token, what it made ends with it: ' +
          'replace the tokens of points first. Again changes nothing.',
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
      if (!(await store.revoke(tokenId(request.params.id), change))) throw noSuchToken();
      return reply.code(204).send(null);
    },
  );
};

const noSuchToken = () =>
  new Problem('not-found', 'There is no such token.', { hint: 'GET /v1/tokens lists them.' });

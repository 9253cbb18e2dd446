import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { pageOf, pageQuery } from '../http/list-page.ts';
import { Problem } from '../core/problem.ts';
import { clientId, tokenId, type Millis } from '../core/vocabulary.ts';
import {
  ClientBody,
  ClientList,
  ClientReply,
  NewClientReply,
  toClientReply,
  toClientRequest,
} from './client-schemas.ts';
import { makeClient } from './make-client.ts';
import { makeToken, type MakeTokenOptions } from './make-token.ts';
import {
  authorizationPath,
  authorizationServerMetadata,
  authorizationServerOf,
  metadataPaths,
  protectedResourceMetadata,
  tokenEndpointOf,
} from './metadata.ts';
import { AuthorizationServerMetadata, KeySet, ProtectedResourceMetadata } from './oauth-schemas.ts';
import type { ClientStore, Jwk, TokenEndpoint, TokenStore } from './ports.ts';
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

export type ClientRoutesOptions = {
  readonly store: ClientStore;
  readonly nowMs: () => Millis;
  readonly issuer: () => string;
};

/** `/v1/clients`: the programs that get access tokens from the built-in authorization server. */
export const clientRoutes: FastifyPluginAsyncTypebox<ClientRoutesOptions> = async (app, options) => {
  const { store, nowMs, issuer } = options;
  app.post(
    '/v1/clients',
    {
      config: { scopes: ['admin'] },
      schema: {
        tags: ['clients'],
        summary: 'Make a client',
        description: 'The answer holds the secret, and no other answer ever will.',
        body: ClientBody,
        response: { 201: NewClientReply },
      },
    },
    async (request, reply) => {
      const made = await makeClient(toClientRequest(request.body), request.caller, request.id, options);
      return reply.code(201).send({
        ...toClientReply(made.client),
        ...(made.secret === undefined ? {} : { client_secret: made.secret }),
        issuer: authorizationServerOf(issuer()),
        token_endpoint: tokenEndpointOf(issuer()),
      });
    },
  );

  app.get(
    '/v1/clients',
    {
      config: { scopes: ['admin', 'audit.read'] },
      schema: {
        tags: ['clients'],
        summary: 'List clients',
        description: 'Revoked ones are among them. Secrets are not.',
        querystring: PageQuery,
        response: { 200: ClientList },
      },
    },
    async ({ query: { cursor, limit } }) =>
      pageOf({
        limit,
        find: (rows) => store.list({ limit: rows, ...(cursor === undefined ? {} : { after: cursor }) }),
        toItem: toClientReply,
        cursorOf: ({ id }) => id,
      }),
  );

  app.get(
    '/v1/clients/:id',
    {
      config: { scopes: ['admin', 'audit.read'] },
      schema: {
        tags: ['clients'],
        summary: 'Show a client',
        params: IdParams,
        response: { 200: ClientReply },
      },
    },
    async ({ params }) => {
      const client = await store.find(clientId(params.id));
      if (client === undefined) throw noSuchClient();
      return toClientReply(client);
    },
  );

  app.delete(
    '/v1/clients/:id',
    {
      config: { scopes: ['admin'] },
      schema: {
        tags: ['clients'],
        summary: 'Revoke a client',
        description:
          'At once, on every node: it gets no tokens, those it has are refused, and feeds that were opened with them are cut. Again changes nothing.',
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
      if (!(await store.revoke(clientId(request.params.id), change))) throw noSuchClient();
      return reply.code(204).send(null);
    },
  );
};

export type OauthRoutesOptions = {
  readonly issuer: () => string;
  /** Path of the issuer, empty where it has none: known before the hub listens. */
  readonly issuerPath: string;
  readonly publicJwk: Jwk;
  readonly tokenEndpoint: TokenEndpoint;
};

/** The built-in authorization server, and how strangers find it. */
export const oauthRoutes: FastifyPluginAsyncTypebox<OauthRoutesOptions> = async (app, options) => {
  const { issuer, issuerPath, publicJwk, tokenEndpoint } = options;
  // The token endpoint reads its own body, at most 56 KiB of it.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.post(
    `${authorizationPath}/token`,
    {
      config: { public: true },
      schema: {
        tags: ['oauth'],
        summary: 'Get an access token',
        description:
          'RFC 6749 §4.4, client credentials: `application/x-www-form-urlencoded` with `grant_type=client_credentials`, and `scope` for less than all. With a DPoP proof the token is bound to its key. Errors are those of RFC 6749 §5.2.',
      },
    },
    async (request, reply) => {
      reply.hijack();
      await tokenEndpoint(request.raw, reply.raw);
    },
  );

  app.get(
    `${authorizationPath}/jwks`,
    {
      config: { public: true },
      schema: {
        tags: ['oauth'],
        summary: 'What access tokens are signed with',
        description: 'RFC 7517. SETs are signed with other keys.',
        response: { 200: KeySet },
      },
    },
    async () => ({ keys: [publicJwk] }),
  );

  for (const path of metadataPaths('oauth-authorization-server', issuerPath, authorizationPath)) {
    app.get(
      path,
      {
        config: { public: true },
        schema: {
          tags: ['oauth'],
          summary: 'The authorization server',
          description: 'RFC 8414.',
          response: { 200: AuthorizationServerMetadata },
        },
      },
      async () => authorizationServerMetadata(issuer()),
    );
  }

  for (const path of metadataPaths('oauth-protected-resource', issuerPath, '')) {
    app.get(
      path,
      {
        config: { public: true },
        schema: {
          tags: ['oauth'],
          summary: 'The API as a protected resource',
          description: 'RFC 9728: where to get tokens for it, and with which scopes.',
          response: { 200: ProtectedResourceMetadata },
        },
      },
      async () => protectedResourceMetadata(issuer()),
    );
  }
};

const noSuchClient = () =>
  new Problem('not-found', 'There is no such client.', { hint: 'GET /v1/clients lists them.' });

const noSuchToken = () =>
  new Problem('not-found', 'There is no such token.', { hint: 'GET /v1/tokens lists them.' });

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Problem } from '../core/problem.ts';
import { clientId, type Millis } from '../core/vocabulary.ts';
import { pageOf, pageQuery } from '../http/list-page.ts';
import {
  CallerIssuerBody,
  CallerIssuerList,
  CallerIssuerReply,
  toCallerIssuer,
  toCallerIssuerReply,
} from './caller-issuer-schemas.ts';
import {
  ClientBody,
  ClientList,
  ClientReply,
  NewClientReply,
  toClientReply,
  toClientRequest,
} from './client-schemas.ts';
import { makeClient } from './make-client.ts';
import { authorizationServerOf, tokenEndpointOf } from './metadata.ts';
import type { CallerIssuerStore, Client, ClientStore } from './ports.ts';

const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });
const PageQuery = Type.Object(pageQuery(), { additionalProperties: false });

export type ClientRoutesOptions = {
  readonly store: Omit<ClientStore, 'findExternal'>;
  readonly nowMs: () => Millis;
  readonly issuer: () => string;
};

/** `/v1/clients`: who calls with access tokens. */
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
        ...whereTokensComeFrom(made.client, issuer()),
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
          'At once, on every node: it gets no tokens here, those it has are refused, and feeds that were opened with them are cut. Again changes nothing.',
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

export type CallerIssuerRoutesOptions = {
  readonly store: CallerIssuerStore;
  readonly nowMs: () => Millis;
  readonly issuer: () => string;
  /** Makes a change known to this node. Never rejects. */
  readonly catchUp: () => Promise<void>;
};

const UrlQuery = Type.Object(
  { url: Type.String({ maxLength: 2_048, examples: ['https://login.example'] }) },
  { additionalProperties: false },
);

/** `/v1/caller-issuers`: who is believed about callers, which is not whose tokens points accept. */
export const callerIssuerRoutes: FastifyPluginAsyncTypebox<CallerIssuerRoutesOptions> = async (
  app,
  { store, nowMs, issuer, catchUp },
) => {
  app.get(
    '/v1/caller-issuers',
    {
      config: { scopes: ['admin', 'audit.read'] },
      schema: {
        tags: ['clients'],
        summary: 'List issuers of callers',
        description: 'Whose tokens the hub takes from its own callers, beside those it gives itself.',
        response: { 200: CallerIssuerList },
      },
    },
    async () => ({ items: (await store.list()).map(toCallerIssuerReply), next_cursor: null }),
  );

  app.put(
    '/v1/caller-issuers',
    {
      config: { scopes: ['admin'] },
      schema: {
        tags: ['clients'],
        summary: 'Trust an issuer about callers, or replace how its tokens are read',
        description:
          'It lets in nobody by itself: POST /v1/clients with `external` says who. What is left out is filled from the profile.',
        body: CallerIssuerBody,
        response: { 200: CallerIssuerReply, 201: CallerIssuerReply },
      },
    },
    async (request, reply) => {
      const settings = toCallerIssuer(request.body);
      if (settings.url === authorizationServerOf(issuer())) throw trustsItself();
      const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
      const done = await store.put(settings, change);
      await catchUp();
      return reply.code(done === 'created' ? 201 : 200).send(toCallerIssuerReply(settings));
    },
  );

  app.delete(
    '/v1/caller-issuers',
    {
      config: { scopes: ['admin'] },
      schema: {
        tags: ['clients'],
        summary: 'Trust an issuer no more',
        description:
          'Its tokens are refused at once, on every node, and what they opened is cut. Clients that are named by it stay, for when it is trusted again: revoke them, too, if it is not to be.',
        querystring: UrlQuery,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
      if (!(await store.remove(request.query.url, change))) throw noSuchIssuer(request.query.url);
      await catchUp();
      return reply.code(204).send(null);
    },
  );
};

const trustsItself = () =>
  new Problem('invalid-request', 'This is the built-in authorization server, which is always trusted.', {
    errors: [{ path: '/url', message: 'is the hub itself' }],
  });

const noSuchIssuer = (url: string) =>
  new Problem('not-found', `No issuer ${url} is trusted about callers.`, {
    hint: 'GET /v1/caller-issuers lists them; the URL must be equal byte for byte.',
  });

const whereTokensComeFrom = (client: Client, hub: string) =>
  client.kind === 'own'
    ? { issuer: authorizationServerOf(hub), token_endpoint: tokenEndpointOf(hub), audience: hub }
    : { issuer: client.named.iss, audience: hub };

const noSuchClient = () =>
  new Problem('not-found', 'There is no such client.', { hint: 'GET /v1/clients lists them.' });

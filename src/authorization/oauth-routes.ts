import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import {
  authorizationPath,
  authorizationServerMetadata,
  metadataPaths,
  protectedResourceMetadata,
} from './metadata.ts';
import { AuthorizationServerMetadata, KeySet, ProtectedResourceMetadata } from './oauth-schemas.ts';
import type { Jwk, TokenEndpoint } from './ports.ts';

export type OauthRoutesOptions = {
  readonly issuer: () => string;
  /** Path of the issuer, empty where it has none: known before the hub listens. */
  readonly issuerPath: string;
  /** What access tokens are signed with, now and before. */
  readonly keys: () => Promise<readonly Jwk[]>;
  /** Who else is believed about callers. */
  readonly trusted: () => readonly string[];
  readonly tokenEndpoint: TokenEndpoint;
};

/** The built-in authorization server, and how strangers find it. */
export const oauthRoutes: FastifyPluginAsyncTypebox<OauthRoutesOptions> = async (app, options) => {
  const { issuer, issuerPath, keys, tokenEndpoint } = options;
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
    async () => ({ keys: [...(await keys())] }),
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
      async () => protectedResourceMetadata(issuer(), options.trusted()),
    );
  }
};

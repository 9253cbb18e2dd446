import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { Type, type TSchema } from 'typebox';
import { problemReplies, type ProblemReply } from './problem-replies.ts';
import type { HubServer } from './server.ts';

const docsPath = '/docs';

/** The page's own scripts and styles, and its calls to this hub; nothing from anywhere else. */
const docsContentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const Problem = Type.Object(
  {
    type: Type.String({ examples: ['urn:caep-hub:problem:invalid-request'] }),
    code: Type.String({ description: 'Stable; docs/problems.md lists all.', examples: ['invalid-request'] }),
    title: Type.String({ examples: ['The request is not valid'] }),
    status: Type.Integer({ examples: [400] }),
    detail: Type.Optional(Type.String({ description: 'What is wrong with this very request.' })),
    hint: Type.Optional(Type.String({ description: 'What to do next.' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          path: Type.String({ description: 'JSON pointer (RFC 6901).', examples: ['/subject/iss'] }),
          message: Type.String({ examples: ['is missing'] }),
        }),
      ),
    ),
  },
  { description: 'RFC 9457' },
);

const tags = [
  { name: 'signals', description: 'Say that something happened, and see what followed.' },
  { name: 'held', description: 'What waits for a person.' },
  { name: 'revocations', description: 'Which credentials are refused, and how.' },
  { name: 'feed', description: 'The revocations as they are put and lifted, for enforcement points.' },
  { name: 'points', description: 'Enforcement points, what they confirmed and what they saw.' },
  { name: 'agents', description: 'Agents, their keys, owners and parents.' },
  { name: 'issuers', description: 'Whose tokens the points accept.' },
  { name: 'sources', description: 'Who speaks, and the most that this may cause.' },
  { name: 'hooks', description: 'Doors for stock senders, which have neither our body nor our header.' },
  { name: 'ssf', description: 'Shared Signals Framework: what receivers do with their streams.' },
  { name: 'streams', description: 'Streams of all receivers, for operators.' },
  { name: 'upstreams', description: 'Transmitters that the hub listens to.' },
  { name: 'tokens', description: 'Who may call.' },
  { name: 'keys', description: 'What SETs are signed with, and how receivers verify them.' },
  { name: 'clients', description: 'Who may call with access tokens, and whose.' },
  { name: 'oauth', description: 'The built-in authorization server, for programs that know OAuth.' },
  { name: 'audit', description: 'Who did what, and the proof of it.' },
  { name: 'process', description: 'This process and its health.' },
];

/** `/openapi.json`, made of the routes themselves, and `/docs`. Registered before all routes. */
export async function describeApi(app: HubServer, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'caep-hub',
        version,
        description: 'One event kills a key-bound token mid-session, at every enforcement point, with proof.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags,
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API token, `chub_…` (POST /v1/tokens), or an access token (POST /oauth/token).',
          },
        },
      },
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: {
        ...schema,
        ...(schema?.hide === true ? {} : describeRoute(schema ?? {}, route.config)),
      },
    }),
  });
  app.get(
    '/openapi.json',
    {
      config: { public: true },
      schema: { tags: ['process'], summary: 'This description', description: 'OpenAPI 3.1.' },
    },
    async () => app.swagger(),
  );
  await app.register(async (docs) => {
    docs.addHook('onRoute', (route) => {
      route.config = { ...route.config, public: true };
    });
    await docs.register(swaggerUi, {
      routePrefix: docsPath,
      staticCSP: docsContentSecurityPolicy,
      uiConfig: { layout: 'BaseLayout', docExpansion: 'list', deepLinking: true, validatorUrl: null },
      theme: { title: 'caep-hub API' },
    });
  });
}

type RouteSchema = {
  readonly body?: unknown;
  readonly querystring?: unknown;
  readonly params?: unknown;
  readonly response?: unknown;
  readonly security?: unknown;
};
type RouteConfig =
  | {
      readonly scopes?: readonly string[];
      readonly public?: boolean;
      readonly refuses?: readonly number[];
    }
  | undefined;

/** What follows from the rest of a route: who may call it and what it is refused with. */
function describeRoute(schema: RouteSchema, config: RouteConfig): object {
  const isPublic = config?.public === true;
  return {
    security: isPublic ? (schema.security ?? []) : [{ token: [] }],
    ...(isPublic ? {} : { 'x-scopes': config?.scopes }),
    response: { ...refusals(schema, isPublic, config?.refuses), ...(schema.response as object | undefined) },
  };
}

function refusals(
  { body, querystring, params }: RouteSchema,
  isPublic: boolean,
  others: readonly number[] = [],
): Record<number, TSchema> {
  const takesInput = body !== undefined || querystring !== undefined || params !== undefined;
  const statuses = [
    ...(takesInput ? [400] : []),
    ...(isPublic ? [] : [401, 403]),
    ...(params === undefined ? [] : [404]),
    ...(body === undefined ? [] : [409, 413, 415]),
    ...(isPublic ? [] : [503]),
    ...others,
  ];
  return Object.fromEntries(statuses.map((status) => [status, refusal(status)]));
}

function refusal(status: number): TSchema {
  const codes = Object.entries<ProblemReply>(problemReplies)
    .filter(([, reply]) => reply.status === status)
    .map(([code]) => `\`${code}\``);
  const description = `A problem: ${codes.join(', ')}`;
  return { description, content: { 'application/problem+json': { schema: Problem } } };
}

import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type RawServerDefault,
} from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerBrokenRequest, answerError, answerErrors, type ExplainError } from './answer-errors.ts';
import { authenticate, type AuthenticateOptions } from './authenticate.ts';
import { parseJson } from './json-body.ts';
import { requestId } from './request-id.ts';
import { refuseUnstorableInput } from './storable-input.ts';
import { answerUnknownRoutes } from './unknown-routes.ts';

export const serverLimits = {
  bodyBytes: 64 * 1024,
  headerBytes: 16 * 1024,
  headersMax: 100,
  paramCharacters: 512,
  connectionsMax: 10_000,
  /** A request, headers and body, has arrived by then or never will. */
  headersMs: 10_000,
  requestMs: 30_000,
  /** Above the idle time of gateways' pools (nginx 60 s, Envoy 1 h): who closes first must be the gateway. */
  keepAliveMs: 61 * 60_000,
  /** How often connections are looked at for the limits above. */
  connectionCheckMs: 1_000,
} as const;
export type ServerLimits = { readonly [Name in keyof typeof serverLimits]: number };

export type ServerOptions = AuthenticateOptions & {
  readonly logger: FastifyBaseLogger;
  readonly explainError: ExplainError;
  readonly limits?: Partial<ServerLimits>;
};

export type HubServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** An HTTP server without routes of its own: limits, authentication, problem replies, safe defaults. */
export function createServer(options: ServerOptions): HubServer {
  const limits: ServerLimits = { ...serverLimits, ...options.limits };
  const app = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: limits.bodyBytes,
    routerOptions: { maxParamLength: limits.paramCharacters },
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestMs,
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      connectionsCheckingInterval: limits.connectionCheckMs,
      insecureHTTPParser: false,
    },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      setDefaultHeaders(request, reply.raw);
      void answerError(error, request, reply, options.explainError);
    },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler);
  app.server.maxConnections = limits.connectionsMax;
  app.server.maxHeadersCount = limits.headersMax;
  app.addHook('onRequest', async (request, reply) => setDefaultHeaders(request, reply.raw));
  readJsonBodies(app);
  answerErrors(app, options.explainError);
  answerUnknownRoutes(app);
  authenticate(app, options);
  refuseUnstorableInput(app);
  return app;
}

/** On the raw response, so that answers which leave Fastify's hands (event streams) have them, too. A route may override. */
function setDefaultHeaders({ id }: { readonly id: string }, raw: ServerResponse): void {
  raw.setHeader('X-Request-Id', id);
  raw.setHeader('Cache-Control', 'no-store');
  raw.setHeader('X-Content-Type-Options', 'nosniff');
  raw.setHeader('Referrer-Policy', 'no-referrer');
  raw.setHeader('X-Frame-Options', 'DENY');
  raw.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  raw.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
}

const receivedBytes = new WeakMap<object, Buffer>();
const noBytes = Buffer.alloc(0);

/** The body of a request as it came in: what is kept as evidence and compared for idempotence. */
export const bodyBytesOf = (request: FastifyRequest): Uint8Array => receivedBytes.get(request.raw) ?? noBytes;

function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => {
      receivedBytes.set(request.raw, bytes);
      return bytes.length === 0 ? undefined : parseJson(bytes);
    },
  );
}

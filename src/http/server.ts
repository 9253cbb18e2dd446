import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type RawServerDefault,
} from 'fastify';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { answerBrokenRequest, answerError, answerErrors, type ExplainError } from './answer-errors.ts';
import { authenticate, type AuthenticateOptions } from './authenticate.ts';
import { parseJson } from './json-body.ts';
import { requestId } from './request-id.ts';
import { refuseUnstorableInput } from './storable-input.ts';
import { strictTransport, type TlsPair, tlsSettings } from './tls.ts';
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
  /** A TLS handshake is done by then: soon enough that one which never ends does not keep the hub from ending. */
  handshakeMs: 5_000,
  /** How often connections are looked at for the limits above. */
  connectionCheckMs: 1_000,
} as const;
export type ServerLimits = { readonly [Name in keyof typeof serverLimits]: number };

export type ServerOptions = AuthenticateOptions & {
  readonly logger: FastifyBaseLogger;
  readonly explainError: ExplainError;
  readonly limits?: Partial<ServerLimits>;
  /** Absent: plain HTTP. */
  readonly tls?: TlsPair;
  /** Tells browsers to come by https only, to whatever port of this host. */
  readonly strictTransport?: boolean;
};

export type HubServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** An HTTP(S) server without routes of its own: limits, authentication, problem replies, safe defaults. */
export function createServer(options: ServerOptions): HubServer {
  const limits: ServerLimits = { ...serverLimits, ...options.limits };
  const app = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: limits.bodyBytes,
    routerOptions: { maxParamLength: limits.paramCharacters },
    serverFactory: (handle) => listenerOf(options.tls, limits, handle),
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      setDefaultHeaders(request, reply.raw, options);
      void answerError(error, request, reply, options.explainError);
    },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler);
  app.server.maxConnections = limits.connectionsMax;
  app.server.maxHeadersCount = limits.headersMax;
  app.addHook('onRequest', async (request, reply) => setDefaultHeaders(request, reply.raw, options));
  readJsonBodies(app);
  answerErrors(app, options.explainError);
  answerUnknownRoutes(app);
  authenticate(app, options);
  refuseUnstorableInput(app);
  return app;
}

/** One listener, whatever the host's name leads to: Fastify would put others beside it that know no limits. */
function listenerOf(tls: TlsPair | undefined, limits: ServerLimits, handle: RequestListener): Server {
  const settings = {
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestMs,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: limits.connectionCheckMs,
    maxHeaderSize: limits.headerBytes,
    insecureHTTPParser: false,
  };
  if (tls === undefined) return createHttpServer(settings, handle);
  return createHttpsServer(
    { ...settings, ...tlsSettings(tls), handshakeTimeout: limits.handshakeMs },
    handle,
  );
}

/** On the raw response, so that answers which leave Fastify's hands (event streams) have them, too. A route may override. */
function setDefaultHeaders(
  { id }: { readonly id: string },
  raw: ServerResponse,
  options: Pick<ServerOptions, 'strictTransport'>,
): void {
  raw.setHeader('X-Request-Id', id);
  raw.setHeader('Cache-Control', 'no-store');
  raw.setHeader('X-Content-Type-Options', 'nosniff');
  raw.setHeader('Referrer-Policy', 'no-referrer');
  raw.setHeader('X-Frame-Options', 'DENY');
  raw.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  raw.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  if (options.strictTransport === true) raw.setHeader('Strict-Transport-Security', strictTransport);
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

/** In this scope bodies of every type are taken as bytes and nothing is parsed: whoever signed them signed these. */
export function readRawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) => {
    receivedBytes.set(request.raw, bytes);
    return undefined;
  });
}

/** In this scope bodies of these types are taken, too, as bytes: their route parses what is in them. */
export function readBytes(app: FastifyInstance, types: readonly string[], bytesMax: number): void {
  app.addContentTypeParser(
    [...types],
    { parseAs: 'buffer', bodyLimit: bytesMax },
    async (request: FastifyRequest, bytes: Buffer) => {
      receivedBytes.set(request.raw, bytes);
      return undefined;
    },
  );
}

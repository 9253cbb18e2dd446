import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Problem } from '../core/problem.ts';
import { readCredentials } from './bearer.ts';
import type { Metrics } from './metrics.ts';

/** What `/readyz` tells. Ready when there is no reason against it. */
export type Readiness = {
  /** What survives what was committed: the death of this process, or whatever the server promises. */
  readonly durability: 'process' | 'server';
  readonly epoch?: string;
  /** Why requests should not be sent here, one sentence each. */
  readonly reasons: readonly string[];
  /** What a person should know though it works, such as an epoch that had to be opened. */
  readonly notices: readonly string[];
};

export type ProcessRoutesOptions = {
  readonly version: string;
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: Pick<Metrics, 'contentType' | 'render'>;
  /** Absent: `/metrics` takes API tokens. */
  readonly metricsToken?: string;
};

const tags = ['process'];

const ReadinessReply = Type.Object({
  ready: Type.Boolean(),
  durability: Type.Enum(['process', 'server'], {
    description:
      '`process`: what was answered survives `kill -9`, not a crash of the machine. `server`: what PostgreSQL promises.',
  }),
  epoch: Type.Optional(Type.String({ examples: ['7f3a9c01'] })),
  reasons: Type.Array(Type.String()),
  notices: Type.Array(Type.String()),
});

/** `/healthz`, `/readyz`, `/metrics`. */
export const processRoutes: FastifyPluginAsyncTypebox<ProcessRoutesOptions> = async (app, options) => {
  const { version, readiness, metrics, metricsToken } = options;
  app.get(
    '/healthz',
    {
      config: { public: true },
      schema: {
        tags,
        summary: 'Is the process alive?',
        description: 'Looks at nothing but itself: restart the process when this fails.',
        response: { 200: Type.Object({ status: Type.Enum(['ok']), version: Type.String() }) },
      },
    },
    async () => ({ status: 'ok' as const, version }),
  );

  app.get(
    '/readyz',
    {
      config: { public: true },
      schema: {
        tags,
        summary: 'May requests be sent here?',
        description: 'The database answers and the feed is fresh. 503 tells what is missing.',
        response: { 200: ReadinessReply, 503: ReadinessReply },
      },
    },
    async (_request, reply) => {
      const { durability, epoch, reasons, notices } = await readiness();
      return reply.code(reasons.length === 0 ? 200 : 503).send({
        ready: reasons.length === 0,
        durability,
        ...(epoch === undefined ? {} : { epoch }),
        reasons: [...reasons],
        notices: [...notices],
      });
    },
  );

  app.get(
    '/metrics',
    {
      config: metricsToken === undefined ? { scopes: ['points.read'] } : { public: true },
      onRequest: async (request, reply) => {
        if (metricsToken === undefined || presents(request.raw.rawHeaders, metricsToken)) return;
        void reply.header('www-authenticate', 'Bearer realm="caep-hub metrics"');
        throw new Problem('unauthenticated', 'Metrics need the token of METRICS_TOKEN.');
      },
      schema: {
        tags,
        summary: 'Metrics for Prometheus',
        description: 'Takes the token of METRICS_TOKEN where that is set, else API tokens.',
        security: [{ token: [] }],
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  );
};

function presents(rawHeaders: readonly string[], secret: string): boolean {
  const presented = readCredentials(rawHeaders);
  return presented.kind === 'bearer' && timingSafeEqual(sha256(presented.secret), sha256(secret));
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

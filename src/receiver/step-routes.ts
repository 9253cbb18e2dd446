import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { streamStatuses } from '../core/stream.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { UpstreamManagement } from './manage-upstreams.ts';
import type { Change, Upstream } from './ports.ts';
import { type TestStep, testSteps } from './test-upstream.ts';
import { toUpstreamReply } from './upstream-reply.ts';
import { UpstreamReply } from './upstream-schemas.ts';
import type { UpstreamSteps } from './upstream-steps.ts';

export type StepRoutesOptions = {
  readonly management: Pick<UpstreamManagement, 'find'>;
  readonly steps: UpstreamSteps;
  readonly test: (upstream: Upstream) => Promise<readonly TestStep[]>;
  readonly hubUrl: () => string;
  readonly nowMs: () => Millis;
};

const tags = ['upstreams'];
const verifyWaitMsDefault = 10_000;
const verifyWaitMsMax = 30_000;
const reasonMax = 500;

const config = { scopes: ['upstreams.write'], refuses: [409, 502] } as const;
const params = Type.Object({ name: Type.String({ maxLength: 64 }) });
const RemoteStream = Type.Unsafe<object>(
  Type.Object({}, { additionalProperties: true, description: 'As the Transmitter has it (SSF 1.0 §8.1.1).' }),
);
const StatusReply = Type.Object({ status: Type.String(), reason: Type.Optional(Type.String()) });

export const VerifiedReply = Type.Object({
  verified: Type.Boolean({ description: 'It came. False: not yet; `upstream` says how it goes on.' }),
  upstream: UpstreamReply,
});

export const TestedReply = Type.Object({
  ok: Type.Boolean({ description: 'No step failed.' }),
  steps: Type.Array(
    Type.Object({
      step: Type.Enum([...testSteps]),
      outcome: Type.Enum(['ok', 'failed', 'skipped']),
      text: Type.String(),
    }),
  ),
});

const connectUpstream = {
  config,
  schema: {
    tags,
    summary: 'Connect an upstream anew, now',
    description:
      'As if it had never been connected: its metadata is read, its stream found again or made, and asked to verify.',
    params,
    response: { 200: UpstreamReply },
  },
} as const;

const readStream = {
  config,
  schema: {
    tags,
    summary: 'Read its stream',
    description: 'GET at its Transmitter.',
    params,
    response: { 200: RemoteStream },
  },
} as const;

const updateStream = {
  config,
  schema: {
    tags,
    summary: 'Ask its stream for what is wanted',
    description:
      'PATCH at its Transmitter, with the delivery and the events that the upstream is set up with.',
    params,
    response: { 200: RemoteStream },
  },
} as const;

const replaceStream = {
  config,
  schema: {
    ...updateStream.schema,
    summary: 'Replace its stream by what is wanted',
    description: 'PUT at its Transmitter.',
  },
} as const;

const deleteStream = {
  config,
  schema: {
    tags,
    summary: 'Delete its stream',
    description: 'At its Transmitter. The upstream is paused with it, or its stream would be made again.',
    params,
    response: { 204: Type.Null() },
  },
} as const;

const readStatus = {
  config,
  schema: {
    tags,
    summary: 'Read the status of its stream',
    description: 'At its Transmitter.',
    params,
    response: { 200: StatusReply },
  },
} as const;

const setStatus = {
  config,
  schema: {
    tags,
    summary: 'Set the status of its stream',
    description: 'At its Transmitter. Pausing the upstream itself is PATCH /v1/upstreams/:name.',
    params,
    body: Type.Object(
      {
        status: Type.Enum([...streamStatuses], { examples: ['enabled'] }),
        reason: Type.Optional(Type.String({ maxLength: reasonMax, description: 'Told to the Transmitter.' })),
      },
      { additionalProperties: false },
    ),
    response: { 200: StatusReply },
  },
} as const;

const verifyUpstream = {
  config: { ...config, refuses: [409, 429, 502] },
  schema: {
    tags,
    summary: 'Verify that SETs come',
    description:
      'Asks its Transmitter for a verification event with a `state` that nobody guesses, and waits for it. Not more often than ' +
      'the Transmitter allows (429).',
    params,
    querystring: Type.Object(
      {
        timeout_ms: Type.Optional(
          Type.Integer({ minimum: 0, maximum: verifyWaitMsMax, default: verifyWaitMsDefault }),
        ),
      },
      { additionalProperties: false },
    ),
    response: {
      200: VerifiedReply,
    },
  },
} as const;

const testUpstream = {
  config,
  schema: {
    tags,
    summary: 'Try everything that changes nothing',
    description: 'Metadata, keys, credentials, stream, status and delivery, each with what was found.',
    params,
    response: {
      200: TestedReply,
    },
  },
} as const;

/** `/v1/upstreams/:name/…`: each step of looking after an upstream, alone. */
export const stepRoutes: FastifyPluginAsyncTypebox<StepRoutesOptions> = async (app, options) => {
  const { management, steps, test, hubUrl, nowMs } = options;
  const by = ({ caller, id }: FastifyRequest): Change => ({
    actor: caller.actor,
    atMs: nowMs(),
    correlationId: id,
  });
  const shown = (upstream: Upstream) => toUpstreamReply(upstream, { hubUrl: hubUrl(), nowMs: nowMs() });

  app.post('/v1/upstreams/:name/connect', connectUpstream, async (request) =>
    shown(await steps.connect(request.params.name, by(request))),
  );
  app.get('/v1/upstreams/:name/stream', readStream, ({ params: { name } }) => steps.readStream(name));
  app.patch('/v1/upstreams/:name/stream', updateStream, (request) =>
    steps.updateStream(request.params.name, 'updateStream', by(request)),
  );
  app.put('/v1/upstreams/:name/stream', replaceStream, (request) =>
    steps.updateStream(request.params.name, 'replaceStream', by(request)),
  );
  app.delete('/v1/upstreams/:name/stream', deleteStream, async (request, reply) => {
    await steps.deleteStream(request.params.name, by(request));
    return reply.code(204).send(null);
  });
  app.get('/v1/upstreams/:name/status', readStatus, ({ params: { name } }) => steps.readStatus(name));
  app.post('/v1/upstreams/:name/status', setStatus, (request) =>
    steps.setStatus(request.params.name, request.body, by(request)),
  );
  app.post('/v1/upstreams/:name/verify', verifyUpstream, async (request) => {
    const { timeout_ms: waitMs = verifyWaitMsDefault } = request.query;
    const { upstream, isVerified } = await steps.verify(request.params.name, by(request), waitMs);
    return { verified: isVerified, upstream: shown(upstream) };
  });
  app.post('/v1/upstreams/:name/test', testUpstream, async ({ params: { name } }) => {
    const found = await test(await management.find(name));
    return { ok: found.every(({ outcome }) => outcome !== 'failed'), steps: [...found] };
  });
};

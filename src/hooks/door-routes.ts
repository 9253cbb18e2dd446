import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { isProblem, Problem } from '../core/problem.ts';
import type { HookRefusalReason, Refusal } from '../http/authenticate.ts';
import { problemReplies, type ProblemReply } from '../http/problem-replies.ts';
import { bodyBytesOf, readRawBodies } from '../http/server.ts';
import type { HookDirectory } from './hook-directory.ts';
import type { HookAnswer, HookRequest, Outcome } from './kind.ts';
import { answerInDialect, kindOf } from './kinds.ts';
import { hookBodyBytesMax } from './limits.ts';
import type { SpeakingHook } from './ports.ts';
import type { Receive } from './receive.ts';

export type HookDoorOptions = {
  readonly directory: Pick<HookDirectory, 'find'>;
  readonly receive: Receive;
  readonly noteRefusal: (refusal: Refusal) => void;
  /** For metrics: a request that came to no kind. `hook` is empty where there is none of that name. */
  readonly onTurnedAway: (hook: string, why: 'unknown' | 'too-large') => void;
};

const description =
  'No API token: the sender proves who it is as its kind does (docs/hooks.md). Answers after the commit, in the words of ' +
  'the sender. 401 tells an unknown hook and a bad proof in the same way.';
const Params = Type.Object({ source: Type.String({ description: 'The name of the hook.' }) });

const refusal = (text: string) => ({
  description: text,
  content: { 'application/problem+json': { schema: Type.Object({ code: Type.String() }) } },
});
const response = {
  202: Type.Object({ accepted: Type.Integer({ description: 'Signals that are committed.' }) }),
  400: refusal('It cannot be read, or no signal can be made of it.'),
  401: refusal('There is no such hook, or nothing proves the sender.'),
  413: refusal('It is larger than hooks take.'),
  503: refusal('Nothing of it was taken: send it again.'),
};

/**
 * `/v1/hooks/:source`: the door for stock senders. Whether there is such a hook is seen before the body is read, who sent
 * it before the body is parsed.
 */
export const hookDoorRoutes: FastifyPluginAsyncTypebox<HookDoorOptions> = async (app, options) => {
  readRawBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    if ((await hookAt(request, options)) !== undefined) return;
    options.onTurnedAway('', 'unknown');
    await refuse(request, reply, 'unknown-hook', options);
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, options));
  const route = (method: 'GET' | 'POST', url: string, summary: string) =>
    app.route({
      method,
      url,
      bodyLimit: hookBodyBytesMax,
      config: { public: true },
      schema: { tags: ['hooks'], summary, description, params: Params, response },
      handler: (request, reply) => answer(request, reply, options),
    });
  route('POST', '/v1/hooks/:source', 'Take what a stock sender sends');
  route('POST', '/v1/hooks/:source/*', 'The same, for senders with a path of their own or a secret in it');
  route('GET', '/v1/hooks/:source/*', 'Answer what a sender asks before it sends');
};

type Request = Pick<FastifyRequest, 'id' | 'ip' | 'params' | 'query' | 'raw' | 'method'>;

async function answer(request: FastifyRequest, reply: FastifyReply, options: HookDoorOptions) {
  const hook = await hookAt(request, options);
  if (hook === undefined) return refuse(request, reply, 'unknown-hook', options);
  const outcome = await options.receive(hook, { request: toHookRequest(request), correlationId: request.id });
  if (outcome.kind === 'answered') return send(reply, outcome.answer);
  if (outcome.kind === 'unauthentic') return refuse(request, reply, outcome.reason, options);
  const given = answerInDialect(tailOf(request), outcome, kindOf(hook.kind));
  if (given !== undefined) return send(reply, given);
  if (outcome.kind === 'taken') return reply.code(202).send({ accepted: outcome.accepted });
  throw new Problem('invalid-request', 'What was sent cannot be made a signal of.', {
    hint: `Whoever looks after this hub sees why: GET /v1/hooks/${hook.id}.`,
  });
}

/** In the same words whatever is wrong, and nothing of the request in them. */
async function refuse(
  request: Request,
  reply: FastifyReply,
  reason: HookRefusalReason,
  { noteRefusal }: HookDoorOptions,
) {
  const target = reason === 'unknown-hook' ? 'hooks' : `hook:${sourceOf(request)}`;
  noteRefusal({ who: `address:${request.ip}`, reason, target });
  const presented = request.raw.headers.authorization !== undefined;
  const given = answerInDialect(tailOf(request), { kind: 'unauthentic', presented });
  if (given !== undefined) return send(reply, given);
  void reply.header('www-authenticate', 'Webhook');
  throw new Problem('unauthenticated', 'The hub does not believe this request.', {
    hint: 'Compare the URL and the secret at the sender with what the hub was told: caep-hub hook show NAME.',
  });
}

/** What is thrown is a problem, told in the dialect of the sender where that has words for it. */
function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, options: HookDoorOptions) {
  const outcome = outcomeOf(error);
  if (outcome?.kind === 'too-large') options.onTurnedAway(sourceOf(request), 'too-large');
  const given = outcome && answerInDialect(tailOf(request), outcome);
  if (given === undefined) throw error;
  return send(reply, given);
}

function outcomeOf(error: unknown): Outcome | undefined {
  if ((error as { readonly code?: unknown }).code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return { kind: 'too-large' };
  if (!isProblem(error)) return undefined;
  const { status }: ProblemReply = problemReplies[error.code];
  return status === 503 ? { kind: 'busy' } : undefined;
}

async function hookAt(request: Request, { directory }: HookDoorOptions): Promise<SpeakingHook | undefined> {
  const hook = await directory.find(sourceOf(request));
  const takes = hook && kindOf(hook.kind)?.takes(tailOf(request), methodOf(request));
  return takes === true ? hook : undefined;
}

type Address = { readonly source: string; readonly '*'?: string };
const sourceOf = ({ params }: Request): string => (params as Address).source;
const tailOf = ({ params }: Request): string => (params as Address)['*'] ?? '';
const methodOf = ({ method }: Request): HookRequest['method'] => (method === 'GET' ? 'GET' : 'POST');

function toHookRequest(request: FastifyRequest): HookRequest {
  const { raw, query } = request;
  return {
    method: methodOf(request),
    tail: tailOf(request),
    header(name) {
      const values = raw.headersDistinct[name];
      return values?.length === 1 ? values[0] : undefined;
    },
    query(name) {
      const values = query as Readonly<Record<string, unknown>>;
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      return typeof value === 'string' ? value : undefined;
    },
    body: bodyBytesOf(request),
  };
}

const send = (reply: FastifyReply, { status, type, body }: HookAnswer): FastifyReply =>
  reply.code(status).type(type).send(body);

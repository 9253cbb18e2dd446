import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem, type ProblemCode } from '../core/problem.ts';
import {
  bugBody,
  isRefusal,
  problemBody,
  problemReplies,
  type ProblemBody,
  type ProblemReply,
} from './problem-replies.ts';
import { fieldErrors } from './validation-errors.ts';

/** What an error of an adapter means to a caller (the database is gone); nothing when it is a bug. */
export type ExplainError = (thrown: unknown) => Problem | undefined;

/** Answers whatever is thrown: a problem as RFC 9457 has it, anything else as a bare 500 that the log explains. */
export function answerErrors(app: FastifyInstance, explain: ExplainError): void {
  app.setErrorHandler((thrown, request, reply) => answerError(thrown, request, reply, explain));
}

/** Also for errors that come before there is a route, and hence no error handler. */
export function answerError(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  explain: ExplainError,
): FastifyReply {
  const problem = frameworkProblem(thrown) ?? problemOf(thrown, explain);
  if (problem === undefined) {
    request.log.error({ err: thrown }, 'a request failed by a mistake of the hub');
    return sendBody(reply, bugBody);
  }
  const { status, retryAfterSeconds }: ProblemReply = problemReplies[problem.code];
  if (status === 503) request.log.warn({ err: problem }, 'a request was turned away');
  const { retry_after: seconds = retryAfterSeconds } = problem.extra;
  if (typeof seconds === 'number' && !reply.hasHeader('retry-after'))
    void reply.header('retry-after', String(seconds));
  return sendBody(reply, problemBody(problem));
}

/** What a caller is told of it; `undefined` for a bug. */
export const problemOf = (thrown: unknown, explain: ExplainError): Problem | undefined =>
  isRefusal(thrown) ? thrown : explain(thrown);

function sendBody(reply: FastifyReply, body: ProblemBody): FastifyReply {
  return reply
    .code(body.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify(body));
}

/** Errors that Fastify makes of a request; those that it makes of a mistake of ours are not among them. */
const frameworkErrors: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body-too-large', 'The body is larger than this path accepts.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'Send application/json.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid-request', 'The body is not as long as Content-Length says.'],
  FST_ERR_BAD_URL: ['invalid-request', 'The path is not validly encoded.'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri-too-long', 'A segment of the path is longer than any name here.'],
};

/** The parts of a request that have schemas, and where their errors are placed. */
const requestParts: Readonly<Record<string, { readonly name: string; readonly root: string }>> = {
  querystring: { name: 'query string', root: '/query' },
  params: { name: 'path', root: '/path' },
  headers: { name: 'headers', root: '/headers' },
};
const bodyPart = { name: 'body', root: '' };

function frameworkProblem(thrown: unknown): Problem | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code, validation, validationContext = 'body' } = thrown as FastifyError;
  if (validation !== undefined) {
    const { name, root } = requestParts[validationContext] ?? bodyPart;
    return new Problem('invalid-request', `The ${name} is not valid.`, {
      errors: fieldErrors(validation, root),
    });
  }
  const known = frameworkErrors[code];
  return known && new Problem(known[0], known[1], { cause: thrown });
}

/** Of Node's parser. What fails before it, as a TLS handshake does, has no connection to be answered on. */
const isOfParser = /^(HPE|ERR_HTTP)_/;

/** What Node's parser refuses never becomes a request: it is answered on the bare connection, which then ends. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!isOfParser.test(error.code ?? '') || !socket.writable) return void socket.destroy();
  const body = problemBody(parserProblem(error.code));
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy());
}

function parserProblem(code: string | undefined): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem('request-timeout', 'The request did not arrive in time.');
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new Problem('headers-too-large', 'The headers are larger than the hub accepts.');
  }
  return new Problem('invalid-request', 'The request is not valid HTTP/1.1.');
}

import { constants } from 'node:http2';
import type { Access } from '../enforcer-access.ts';
import type { Checker } from '../enforcer-checker.ts';
import type { Route } from '../enforcer-judge.ts';
import type { Refusal } from '../refusal.ts';

/** As much of a Fastify request as the guard needs: the library does not depend on Fastify. */
export type GuardedRequest = { readonly raw: RawRequest };
type FastifyRequestLike = GuardedRequest & {
  readonly method: string;
  /** The target as it was sent, before any rewriting. */
  readonly originalUrl: string;
  readonly ip: string;
};
type RawRequest = {
  readonly headers: NodeHeaders;
  /** HTTP/1.1 only: `headers` hides all but the first of several Authorization fields. */
  readonly headersDistinct?: NodeHeaders;
};
type NodeHeaders = { readonly [name: string]: string | string[] | undefined };

type FastifyReplyLike = {
  readonly raw: RawResponse;
  readonly code: (status: number) => unknown;
  readonly headers: (values: { [name: string]: string }) => unknown;
  readonly send: (payload: unknown) => unknown;
  readonly hijack: () => unknown;
};
type RawResponse = {
  readonly headersSent: boolean;
  readonly closed?: boolean;
  readonly writeHead: (status: number, headers: { [name: string]: string }) => unknown;
  readonly end: (text: string) => unknown;
  readonly destroy: () => unknown;
  /** HTTP/2 only, whose responses have no `closed`. */
  readonly stream?: { readonly destroyed: boolean; readonly close: (code: number) => unknown };
  readonly once: (event: 'close', listener: () => void) => unknown;
};

/** For `addHook('onRequest', …)` or the `onRequest` of a route. */
export type FastifyHook = (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>;

/**
 * Refuses with the exact answer; what it lets pass it can still stop: before the headers are out with the answer that
 * the request would get now, afterwards by breaking off in the middle of the response. Guards may stand one behind
 * the other, of the app and of a route: then each must let the request pass.
 */
export function guardFastify(options: {
  readonly checker: Checker;
  readonly route: Route;
  readonly accesses: WeakMap<object, Access>;
}): FastifyHook {
  const { checker, route, accesses } = options;
  return async ({ method, originalUrl, ip, raw }, reply) => {
    const before = accesses.get(raw);
    const headers = raw.headersDistinct ?? raw.headers;
    const outcome = before
      ? checker.checkAgain(before, route)
      : await checker.check({ method, url: originalUrl, headers, address: ip }, route);
    if (outcome.kind === 'refusal') {
      reply.code(outcome.status);
      reply.headers({ ...outcome.headers });
      return reply.send(outcome.body);
    }
    accesses.set(raw, outcome);
    reply.headers({ ...outcome.headers });
    reply.raw.once('close', () => outcome.close());
    if (reply.raw.closed || reply.raw.stream?.destroyed) outcome.close();
    const end = (): void => cut(reply, outcome.reason);
    // It may have ended already, between its check and here: then no event comes any more.
    if (outcome.signal.aborted) end();
    else outcome.signal.addEventListener('abort', end, { once: true });
    return undefined;
  };
}

function cut(reply: FastifyReplyLike, why: Refusal | undefined): void {
  const { raw } = reply;
  if (raw.headersSent || !why) {
    // A stream that is merely destroyed looks finished to an HTTP/2 client.
    if (raw.stream) raw.stream.close(constants.NGHTTP2_CANCEL);
    else raw.destroy();
    return;
  }
  reply.hijack();
  raw.writeHead(why.status, { ...why.headers });
  raw.end(JSON.stringify(why.body));
  Object.assign(raw, deafTo(raw));
}

/**
 * Whoever is at work on the answer, a hook that has yet to call back or a handler, would write a second one, and that
 * throws where nobody catches it. `write` says "full", so that what is piped into it stops.
 */
const deafTo = (raw: RawResponse) => ({
  writeHead: () => raw,
  setHeader: () => raw,
  appendHeader: () => raw,
  removeHeader: () => undefined,
  flushHeaders: () => undefined,
  write: () => false,
  end: () => raw,
});

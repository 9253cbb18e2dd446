import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Json } from '../../src/core/vocabulary.ts';
import type { ServerCertificate } from './certificates.ts';

export type Request = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Fires when who asked has gone. */
  readonly gone: AbortSignal;
};

export type Reply = {
  readonly status: number;
  readonly headers?: Record<string, string>;
  /** JSON, unless it is text or bytes. */
  readonly body?: Json | Uint8Array;
  /** Hangs up instead. */
  readonly hangsUp?: boolean;
};

/** A server over loopback that answers every request by one function. */
export async function serveUpstream(
  tls: ServerCertificate | undefined,
  handle: (request: Request) => Promise<Reply>,
): Promise<{ readonly origin: string; readonly close: () => Promise<void> }> {
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const url = new URL(incoming.url ?? '/', 'http://upstream');
    const reply = await handle({
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: await readText(incoming),
      gone: gone.signal,
    });
    if (reply.hangsUp === true) response.destroy();
    else send(response, reply);
  };
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    // Whoever hangs up in the middle is no fault of the test.
    answer(incoming, response).catch(() => response.destroy());
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(response: ServerResponse, { status, headers = {}, body }: Reply): void {
  const isRaw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  response.writeHead(status, { ...(isRaw ? {} : { 'content-type': 'application/json' }), ...headers });
  response.end(isRaw ? body : JSON.stringify(body));
}

export type PushAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** One push, as RFC 8935 §2.1 has it; `ca` is trusted instead of the system's roots. */
export async function postSet(
  url: string,
  compact: string,
  {
    authorization,
    ca,
    headers,
  }: {
    readonly authorization?: string;
    readonly ca?: string;
    readonly headers?: Record<string, string>;
  },
): Promise<PushAnswer> {
  const options = {
    method: 'POST',
    agent: false as const,
    headers: {
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      'content-length': Buffer.byteLength(compact),
      ...(authorization === undefined ? {} : { authorization }),
      ...headers,
    },
  };
  const sent = url.startsWith('https:')
    ? requestHttps(url, { ...options, ...(ca === undefined ? {} : { ca }) })
    : requestHttp(url, options);
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  sent.end(compact);
  const [response] = await answered;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await readText(response),
  };
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

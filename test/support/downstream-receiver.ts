import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import type { ServerCertificate } from './certificates.ts';

/** What a Receiver does with a push. Every kind but the first looks at nothing. */
export type Behaviour =
  /** RFC 8935: verifies and answers 202, or 400 with `err`. */
  | { readonly kind: 'well-behaved' }
  | {
      readonly kind: 'answers';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string | Uint8Array;
    }
  /** Is well-behaved when `until` says so. */
  | { readonly kind: 'slow'; readonly until: Promise<void> }
  /** Takes the request and never answers. */
  | { readonly kind: 'dead' }
  /** So many bytes, and no length beforehand. */
  | { readonly kind: 'huge'; readonly status: number; readonly bytes: number }
  /** Says how long the body is, sends half of it and hangs up. */
  | { readonly kind: 'cuts-body'; readonly status: number }
  /** Sends half of the body and nothing more. */
  | { readonly kind: 'stalls-body'; readonly status: number }
  /** One header after the other. */
  | { readonly kind: 'endless-headers' }
  | { readonly kind: 'hangs-up' }
  /** What it says is not HTTP. */
  | { readonly kind: 'garbage' };

export type ReceivedPush = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Of a SET that was verified. */
  readonly claims?: JWTPayload;
};

export type DownstreamReceiverOptions = {
  /** Absent: plain HTTP. */
  readonly tls?: ServerCertificate & { readonly maxVersion?: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' };
  readonly host?: string;
  /** The keys of the transmitter. Absent: every signature is taken. */
  readonly keys?: () => JSONWebKeySet;
  readonly issuer?: string;
  readonly audience?: string;
  /** What `Authorization` must be; anything else is 401. */
  readonly authorization?: string;
  /** Is told of every push, before it is answered. */
  readonly onPush?: () => void;
};

/** A whole Receiver over loopback that takes pushes. How it behaves can be changed while it runs. */
export type DownstreamReceiver = {
  readonly url: string;
  readonly port: number;
  /** In the order they came. */
  readonly received: readonly ReceivedPush[];
  /** `jti` of each SET that was verified and answered 202, in order; repeated ones again. */
  readonly taken: () => readonly string[];
  /** TCP connections so far, whatever became of them. */
  readonly connections: () => number;
  /** Requests that wait for an answer, and those that were given up by who sent them. */
  readonly held: () => number;
  readonly givenUp: () => number;
  /** Bytes of `huge` answers that were handed to the sockets. */
  readonly bytesSent: () => number;
  /** From now on; `next` come before, one for each push. */
  readonly behave: (behaviour: Behaviour, next?: readonly Behaviour[]) => void;
  /** Resolves when so many pushes have come in all. */
  readonly reached: (count: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function aDownstreamReceiver(
  options: DownstreamReceiverOptions = {},
): Promise<DownstreamReceiver> {
  const { tls, host = '127.0.0.1' } = options;
  const received: ReceivedPush[] = [];
  const taken: string[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const totals = { connections: 0, held: 0, givenUp: 0, bytesSent: 0 };
  let usual: Behaviour = { kind: 'well-behaved' };
  let next: Behaviour[] = [];

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readText(request);
    totals.held += 1;
    response.on('close', () => {
      totals.held -= 1;
      if (!response.writableFinished) totals.givenUp += 1;
    });
    const behaviour = next.shift() ?? usual;
    const push = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
    const index = received.push(push) - 1;
    options.onPush?.();
    for (const { count, resolve } of waiting) if (received.length >= count) resolve();
    if (behaviour.kind === 'slow') await behaviour.until;
    if (behaviour.kind !== 'well-behaved' && behaviour.kind !== 'slow') {
      return misbehave(behaviour, response, (bytes) => {
        totals.bytesSent += bytes;
      });
    }
    const verdict = await verify(push, options);
    if (verdict.claims !== undefined) {
      received[index] = { ...push, claims: verdict.claims };
      taken.push(verdict.claims.jti ?? '');
    }
    answer(response, verdict);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // Whoever hangs up in the middle is no fault of the test.
    handle(request, response).catch(() => response.destroy());
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tlsOf(tls), listener);
  server.keepAliveTimeout = 60_000;
  server.on('connection', () => (totals.connections += 1));
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${port}/push`,
    port,
    received,
    taken: () => taken,
    connections: () => totals.connections,
    held: () => totals.held,
    givenUp: () => totals.givenUp,
    bytesSent: () => totals.bytesSent,
    behave: (behaviour, before = []) => {
      usual = behaviour;
      next = [...before];
    },
    reached: (count) =>
      received.length >= count
        ? Promise.resolve()
        : new Promise((resolve) => void waiting.push({ count, resolve })),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

type Verdict = {
  readonly status: number;
  readonly err?: string;
  readonly description?: string;
  readonly claims?: JWTPayload;
};

/** The checks of RFC 8935 §2, in the words of §2.4. */
async function verify(push: ReceivedPush, options: DownstreamReceiverOptions): Promise<Verdict> {
  const refuse = (err: string, description: string): Verdict => ({ status: 400, err, description });
  if (push.method !== 'POST') return { status: 405 };
  if (options.authorization !== undefined && push.headers.authorization !== options.authorization) {
    return { status: 401 };
  }
  if (push.headers['content-type'] !== 'application/secevent+jwt') return { status: 415 };
  if (options.keys === undefined) return { status: 202, claims: claimsOf(push.body) };
  try {
    const { payload } = await jwtVerify(push.body, createLocalJWKSet(options.keys()), {
      typ: 'secevent+jwt',
      ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
      ...(options.audience === undefined ? {} : { audience: options.audience }),
    });
    return { status: 202, claims: payload };
  } catch (error) {
    if (error instanceof errors.JWTClaimValidationFailed) {
      if (error.claim === 'iss') return refuse('invalid_issuer', error.message);
      if (error.claim === 'aud') return refuse('invalid_audience', error.message);
    }
    const isOfKey =
      error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
    return refuse(isOfKey ? 'invalid_key' : 'invalid_request', String(error));
  }
}

function claimsOf(compact: string): JWTPayload {
  const [, payload = ''] = compact.split('.');
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as JWTPayload;
  } catch {
    return {};
  }
}

function answer(response: ServerResponse, { status, err, description }: Verdict): void {
  if (err === undefined) {
    response.writeHead(status).end();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', 'content-language': 'en' });
  response.end(JSON.stringify({ err, description }));
}

type Misbehaviour = Exclude<Behaviour, { readonly kind: 'well-behaved' | 'slow' }>;

async function misbehave(
  behaviour: Misbehaviour,
  response: ServerResponse,
  noteBytes: (bytes: number) => void,
): Promise<void> {
  switch (behaviour.kind) {
    case 'answers':
      response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body);
      return;
    case 'dead':
      return;
    case 'huge':
      response.writeHead(behaviour.status, { 'content-type': 'application/json' });
      return pipeline(much(behaviour.bytes, noteBytes), response);
    case 'cuts-body':
    case 'stalls-body':
      response.writeHead(behaviour.status, { 'content-length': '100', 'content-type': 'application/json' });
      response.write('{"err":"invalid_request"'.padEnd(50));
      if (behaviour.kind === 'cuts-body') setImmediate(() => response.destroy());
      return;
    case 'endless-headers':
      response.socket?.write('HTTP/1.1 200 OK\r\n');
      return writeHeaders(response, 0);
    case 'hangs-up':
      response.destroy();
      return;
    case 'garbage':
      response.socket?.end('SMTP? 220 mail.example ESMTP\r\n\r\n');
  }
}

/** Spaces: white space around JSON. */
function* much(bytes: number, noteBytes: (bytes: number) => void): Generator<Buffer> {
  const chunk = Buffer.alloc(16_384, 0x20);
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    noteBytes(chunk.length);
    yield chunk;
  }
}

function writeHeaders(response: ServerResponse, count: number): void {
  if (response.socket === null || response.socket.destroyed) return;
  response.socket.write(`x-${count}: ${'a'.repeat(100)}\r\n`, () => writeHeaders(response, count + 1));
}

const tlsOf = ({ key, cert, maxVersion }: NonNullable<DownstreamReceiverOptions['tls']>) =>
  maxVersion === 'TLSv1.1'
    ? { key, cert, minVersion: 'TLSv1' as const, maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' }
    : { key, cert, ...(maxVersion === undefined ? {} : { maxVersion }) };

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

import { lookup } from 'node:dns/promises';
import { createSecureContext, rootCertificates } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { type Dispatcher, Pool } from 'undici';
import { type Destination, judgeUrl } from '../../core/judge-destination.ts';
import type { AllowEntry } from '../../core/outbound-allow.ts';
import type {
  AnswerHead,
  FetchFailure,
  FetchOutcome,
  OutgoingRequest,
  SafeFetch,
} from '../../core/outgoing.ts';
import { createCheckedConnector, type ResolveName } from './checked-connector.ts';
import { failureOf, fetchError } from './failures.ts';

export type FetchLimits = {
  /** Look-up, TCP and TLS together. */
  readonly connectMs: number;
  /** From the request being sent to the end of the answer's headers. */
  readonly headersMs: number;
  /** Everything, waiting for a connection included. */
  readonly wholeMs: number;
  readonly bodyBytesMax: number;
  readonly headersBytesMax: number;
  /** More than one stream has on its way: whoever hangs there must not keep others at the same origin waiting. */
  readonly connectionsPerOriginMax: number;
  /** Origins whose connections are kept; the one unused for longest goes first. */
  readonly originsMax: number;
  /** An idle connection is kept so long, also when the peer offers more. */
  readonly idleMs: number;
  /** Then a new connection is made, to where the name leads by then. */
  readonly connectionAgeMs: number;
};

export const fetchLimits: FetchLimits = {
  connectMs: 5_000,
  headersMs: 8_000,
  wholeMs: 10_000,
  bodyBytesMax: 64 * 1_024,
  headersBytesMax: 16 * 1_024,
  connectionsPerOriginMax: 64,
  originsMax: 2_000,
  idleMs: 10_000,
  connectionAgeMs: 300_000,
};

export type SafeFetchOptions = {
  readonly allow: readonly AllowEntry[];
  /** Certificates in PEM that are trusted beside the system's roots. */
  readonly extraCa?: readonly string[];
  readonly limits?: Partial<FetchLimits>;
  readonly resolve?: ResolveName;
};

/** `close` ends what is under way and every connection; nothing is sent afterwards. */
export type SafeFetcher = { readonly fetch: SafeFetch; readonly close: () => Promise<void> };

/**
 * The way out. No proxy of the environment, no variable and no default of the process weakens it: what it trusts is
 * given here.
 *
 * @see SEC-08, SEC-10, PUSH-27
 */
export function createSafeFetch({
  allow,
  extraCa = [],
  limits: given = {},
  resolve: resolveOne = resolveName,
}: SafeFetchOptions): SafeFetcher {
  const limits = { ...fetchLimits, ...given };
  const resolve = onceAtATime(resolveOne);
  const secureContext = createSecureContext({
    minVersion: 'TLSv1.2',
    ca: [...rootCertificates, ...extraCa],
  });
  const pools = new LRUCache<string, Pool>({
    max: limits.originsMax,
    // Requests under way end first.
    dispose: (pool) => {
      if (!pool.destroyed) void pool.close();
    },
  });
  const poolOf = (destination: Destination): Pool => {
    const known = pools.get(destination.origin);
    if (known !== undefined) return known;
    const { connectMs } = limits;
    const connect = createCheckedConnector(destination, { allow, resolve, secureContext, connectMs });
    const pool = new Pool(destination.origin, { ...poolOptions(limits), connect });
    pools.set(destination.origin, pool);
    return pool;
  };
  let isClosed = false;
  return {
    fetch: async (request) => {
      if (isClosed) return failed('stopped', 'the hub ends');
      const judged = judgeUrl(request.url, allow);
      if (judged.kind === 'refused') return failed(judged.failure, judged.reason);
      if (!Object.values(request.headers).every(isHeaderValue)) {
        return failed('bad-header', 'a header holds characters that none can carry');
      }
      return attempt(request, { url: judged.url, pool: poolOf(judged.destination), limits });
    },
    close: async () => {
      isClosed = true;
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

/** Everything that undici has a default for and that matters here. */
const poolOptions = (limits: FetchLimits): Pool.Options => ({
  connections: limits.connectionsPerOriginMax,
  pipelining: 1,
  allowH2: false,
  headersTimeout: limits.headersMs,
  bodyTimeout: limits.wholeMs,
  maxHeaderSize: limits.headersBytesMax,
  keepAliveTimeout: limits.idleMs,
  keepAliveMaxTimeout: limits.idleMs,
  clientTtl: limits.connectionAgeMs,
  strictContentLength: true,
});

async function attempt(
  { method, headers, body, stop }: OutgoingRequest,
  { url, pool, limits }: { readonly url: URL; readonly pool: Pool; readonly limits: FetchLimits },
): Promise<FetchOutcome> {
  const ending = createEnding(limits.wholeMs, stop);
  let head: AnswerHead | undefined;
  try {
    const request = pool.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers: { ...headers },
      body: body ?? null,
      signal: ending.signal,
    });
    // undici looks at the signal only once there is a connection; what waits for one is then never sent.
    const response = await Promise.race([request, ending.reached]);
    head = headOf(response);
    return { kind: 'answer', ...head, body: await readBody(response.body, limits.bodyBytesMax) };
  } catch (error) {
    const { failure, detail } = failureOf(error);
    return failed(failure, detail, head);
  } finally {
    ending.release();
  }
}

/** Fires when the time is up or the caller says so, whichever is first. */
function createEnding(wholeMs: number, stop: AbortSignal | undefined) {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(fetchError('timeout', `no whole answer within ${wholeMs} ms`)),
    wholeMs,
  );
  const onStop = (): void => controller.abort(fetchError('stopped', 'the hub ended it'));
  if (stop?.aborted === true) onStop();
  stop?.addEventListener('abort', onStop);
  const { signal } = controller;
  const reached = new Promise<never>((_resolve, reject) => {
    const end = (): void => reject(signal.reason as Error);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  });
  return {
    signal,
    reached,
    release: () => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', onStop);
    },
  };
}

function headOf({ statusCode, headers }: Dispatcher.ResponseData): AnswerHead {
  const first = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    (Array.isArray(value) ? value[0] : value) ?? '',
  ]);
  return { status: statusCode, headers: new Map(first) };
}

/** Beyond the limit nothing is read: leaving the loop destroys the socket. */
async function readBody(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw fetchError('too-large', `the answer has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const failed = (failure: FetchFailure, detail: string, head?: AnswerHead): FetchOutcome => ({
  kind: 'failed',
  failure,
  detail,
  ...(head === undefined ? {} : { head }),
});

/** @see RFC 9110 §5.5 */
const isHeaderValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value);

/**
 * Of one name one look-up at a time. The system looks up two names at once in the whole process and cannot be stopped: a
 * name whose servers do not answer would keep all others waiting with as many as a stream has on its way.
 */
function onceAtATime(resolve: ResolveName): ResolveName {
  const underWay = new Map<string, ReturnType<ResolveName>>();
  return (hostname) => {
    const known = underWay.get(hostname);
    if (known !== undefined) return known;
    const found = resolve(hostname).finally(() => underWay.delete(hostname));
    underWay.set(hostname, found);
    return found;
  };
}

const resolveName: ResolveName = (hostname) => lookup(hostname, { all: true });

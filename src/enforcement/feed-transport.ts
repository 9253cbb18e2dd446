import * as http from 'node:http';
import * as https from 'node:https';
import { isLoopback } from './loopback.ts';
import { within } from './within.ts';

/** One connection to the hub for the stream, others kept open so that a receipt never waits for a handshake. */
export type HubTransport = {
  readonly send: (request: HubRequest) => Promise<http.IncomingMessage>;
  readonly close: () => void;
};

export type HubRequest = {
  readonly method: 'GET' | 'POST';
  /** Below the base address, without a leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly stop: AbortSignal;
  /** Until the head of the answer is there. */
  readonly timeoutMs: number;
};

/** `node:http` itself: its bytes arrive in the turn they are read in, an abort closes the socket, and a silent stream is not cut by a timer of its own. */
export function createHubTransport(options: {
  readonly hub: string;
  readonly token: string;
  readonly point: string;
}): HubTransport {
  const base = baseOf(options.hub);
  const { request, Agent } = base.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true });
  const authorised = { authorization: `Bearer ${options.token}`, 'caep-point': options.point };

  const send = ({
    method,
    path,
    headers,
    body,
    stop,
    timeoutMs,
  }: HubRequest): Promise<http.IncomingMessage> =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(path, base),
        { method, agent, signal: stop, headers: { ...authorised, ...headers } },
        (incoming) => {
          clearTimeout(timer);
          resolve(incoming);
        },
      );
      const timer = setTimeout(
        () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
      outgoing.on('error', (cause) => {
        clearTimeout(timer);
        reject(cause);
      });
      outgoing.end(body);
    });
  return { send, close: () => agent.destroy() };
}

/** @throws TypeError when the address is none, or would carry the token in the clear. */
function baseOf(hub: string): URL {
  const url = new URL(hub);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new TypeError(`The hub's address must be https, or http on a loopback address: ${url.origin}`);
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** The hub heard it and said no. */
export class HubRefusal extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the hub answered ${status}`);
    this.name = 'HubRefusal';
    this.status = status;
  }
}

/** Sends JSON and returns the answer's. @throws HubRefusal, or Error when nothing was heard. */
export async function post(
  transport: HubTransport,
  path: string,
  body: object,
  stop: AbortSignal,
  timeoutMs: number,
): Promise<unknown> {
  return within(stop, timeoutMs, async (either) => {
    const incoming = await transport.send({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      stop: either,
      timeoutMs,
    });
    const answer = await readJson(incoming);
    const status = incoming.statusCode ?? 0;
    if (status < 200 || status > 299) throw new HubRefusal(status);
    return answer;
  });
}

const answerBytesMax = 65_536;

/** The JSON of a small answer; `undefined` when it is none. Always reads to the end, so that the connection can be used again. */
async function readJson(incoming: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > answerBytesMax) {
      incoming.destroy();
      return undefined;
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    return undefined;
  }
}

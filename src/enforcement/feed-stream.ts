import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { createParser } from 'eventsource-parser';
import type { Cursor } from '../core/feed.ts';
import { type FeedMessage, formatCursor, readMessage } from './feed-events.ts';
import type { HubTransport } from './feed-transport.ts';

/** How a connection ended. `left`: we ended it ourselves. */
export type StreamEnd =
  | { readonly kind: 'gone' }
  | { readonly kind: 'unauthorized'; readonly status: number }
  | { readonly kind: 'goodbye'; readonly retryMs: number; readonly reason: string }
  | { readonly kind: 'bad-event'; readonly text: string; readonly cause?: unknown }
  | { readonly kind: 'left' }
  | { readonly kind: 'lost'; readonly cause: unknown };

export type StreamOptions = {
  readonly transport: HubTransport;
  /** Follow on from here; without it, from the head. */
  readonly from: Cursor | undefined;
  readonly stop: AbortSignal;
  readonly monotonicMs: () => number;
  /** `false`: leave this connection, nothing more of it is wanted. */
  readonly onMessage: (message: FeedMessage) => boolean;
  /** All events that came with the same bytes have been handed over. */
  readonly onTurn: (arrivedAt: number) => void;
};

const answerTimeoutMs = 10_000;
/** Without a byte for so many heartbeats the connection is given up; before `hello` says how often they come, after this time. */
const silentHeartbeatsMax = 5;
const silenceMsBeforeHello = 15_000;
const silenceMsMax = 60_000;
/** Of one event, in UTF-16 code units. */
const eventUnitsMax = 1_048_576;

/** One connection from its request to its end. Never rejects. */
export async function followStream(options: StreamOptions): Promise<StreamEnd> {
  let incoming: IncomingMessage;
  try {
    incoming = await options.transport.send({
      method: 'GET',
      path: 'v1/feed',
      headers: {
        accept: 'text/event-stream',
        ...(options.from && { 'last-event-id': formatCursor(options.from) }),
      },
      stop: options.stop,
      timeoutMs: answerTimeoutMs,
    });
  } catch (cause) {
    return options.stop.aborted ? { kind: 'left' } : { kind: 'lost', cause };
  }
  const refused = refusalOf(incoming);
  if (!refused) return read(incoming, options);
  incoming.destroy();
  return refused;
}

function refusalOf({ statusCode: status = 0, headers }: IncomingMessage): StreamEnd | undefined {
  if (status === 410) return { kind: 'gone' };
  if (status === 401 || status === 403) return { kind: 'unauthorized', status };
  if (status !== 200) return { kind: 'lost', cause: new Error(`the hub answered ${status}`) };
  return /^text\/event-stream\b/i.test(headers['content-type'] ?? '')
    ? undefined
    : { kind: 'lost', cause: new Error('the hub answered with something else than an event stream') };
}

function read(
  incoming: IncomingMessage,
  { stop, monotonicMs, onMessage, onTurn }: StreamOptions,
): Promise<StreamEnd> {
  return new Promise((resolve) => {
    let ended = false;
    const end = (how: StreamEnd): void => {
      if (ended) return;
      ended = true;
      incoming.destroy();
      resolve(how);
    };
    const parser = createParser({
      maxBufferSize: eventUnitsMax,
      onError: ({ type, message }) => {
        if (type === 'max-buffer-size-exceeded') end({ kind: 'bad-event', text: message });
      },
      onEvent: ({ event, id, data }) => {
        if (ended) return;
        const message = readMessage(event, id, data);
        if (!message)
          return end({ kind: 'bad-event', text: `a ${event ?? 'nameless'} event makes no sense` });
        if (message.kind === 'hello') watchSilence(incoming, message.hello.heartbeat_ms, end);
        const wanted = onMessage(message);
        if (message.kind === 'goodbye')
          end({ kind: 'goodbye', retryMs: message.goodbye.retry_ms, reason: message.goodbye.reason });
        else if (!wanted) end({ kind: 'left' });
      },
    });
    const decoder = new StringDecoder('utf8');
    watchSilence(incoming, silenceMsBeforeHello / silentHeartbeatsMax, end);
    incoming.on('data', (chunk: Buffer) => {
      const arrivedAt = monotonicMs();
      try {
        parser.feed(decoder.write(chunk));
      } catch (cause) {
        // Whatever the hub says, it must not end the process.
        end({ kind: 'bad-event', text: 'an event could not be handled', cause });
      }
      onTurn(arrivedAt);
    });
    incoming.on('error', (cause) => end(stop.aborted ? { kind: 'left' } : { kind: 'lost', cause }));
    incoming.on('close', () => end({ kind: 'lost', cause: new Error('the hub closed the stream') }));
  });
}

function watchSilence(incoming: IncomingMessage, heartbeatMs: number, end: (how: StreamEnd) => void): void {
  const silenceMs = Math.min(silenceMsMax, heartbeatMs * silentHeartbeatsMax);
  incoming.socket.removeAllListeners('timeout');
  incoming.socket.setTimeout(silenceMs, () =>
    end({ kind: 'lost', cause: new Error(`nothing came for ${silenceMs} ms`) }),
  );
}

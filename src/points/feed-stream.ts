import { randomInt } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { eventFrame, type StreamEvents } from './feed-frames.ts';
import type { FeedLimits } from './feed-limits.ts';
import type { FeedTail } from './feed-tail.ts';

export type GoodbyeReason = 'shutting-down' | 'token-ended' | 'age' | 'new-epoch' | 'retired';

/** One open stream: an offset into the tail, and a socket. */
export type FeedStream = {
  /** Writes what is new, as far as the socket takes it; the rest when it drains. Cuts the stream when it lags too far. */
  pump(): void;
  /** Only to one that has everything: a heartbeat never overtakes an entry. */
  beat(heartbeat: Buffer): void;
  /** After what the socket was given last: that is whole entries, so that nothing is ever said inside of one. */
  tell<Name extends keyof StreamEvents>(event: Name, data: StreamEvents[Name]): void;
  /** Since when the socket takes nothing, on the monotonic clock. */
  readonly blockedSinceMs: number | undefined;
  /** The last thing said. A reader that takes nothing of it is cut off after `stalledMsMax`. */
  goodbye(reason: GoodbyeReason): void;
  cut(): void;
};

export type FeedStreamOptions = {
  readonly tail: FeedTail;
  /** The position after which it reads. */
  readonly seq: number;
  readonly opening: Buffer;
  readonly limits: FeedLimits;
  readonly monotonicMs: () => number;
  /** Called once, however it ends. */
  readonly onEnd: () => void;
};

export function openFeedStream(socket: Socket, options: FeedStreamOptions): FeedStream {
  const { tail, limits, monotonicMs } = options;
  let at = tail.offsetAfter(options.seq);
  let caughtUp = false;
  let blockedSinceMs: number | undefined;
  let ended = false;

  function write(bytes: Buffer): void {
    if (!ended && !socket.write(bytes)) blockedSinceMs ??= monotonicMs();
  }

  function end(): void {
    if (ended) return;
    ended = true;
    options.onEnd();
  }

  function cut(): void {
    end();
    socket.destroy();
  }

  function pump(): void {
    while (!ended && at < tail.end && blockedSinceMs === undefined) {
      if (at < tail.oldest) return cut();
      const { bytes, next } = tail.readFrames(at, limits.pieceBytesMax);
      at = next;
      write(bytes);
    }
    if (at === tail.end) caughtUp = true;
    else if (caughtUp && tail.end - at > limits.laggingBytesMax) cut();
  }

  socket.on('drain', () => {
    blockedSinceMs = undefined;
    pump();
  });
  socket.once('close', end);
  write(options.opening);

  return {
    get blockedSinceMs() {
      return blockedSinceMs;
    },
    pump,
    beat(heartbeat) {
      pump();
      if (at === tail.end && blockedSinceMs === undefined) write(heartbeat);
    },
    tell: (event, data) => write(eventFrame(event, data)),
    goodbye(reason) {
      write(eventFrame('goodbye', { reason, retry_ms: randomInt(limits.retryMsMax + 1) }));
      end();
      endSocket(socket, limits.stalledMsMax);
    },
    cut,
  };
}

/** Closes the socket once everything is written, or when its reader takes nothing for so long. */
export function endSocket(socket: Socket, stalledMsMax: number): void {
  socket.setTimeout(stalledMsMax, () => socket.destroy());
  socket.destroySoon();
}

/**
 * Sends the headers of an event stream and hands out the socket behind them. The body has no framing of its own and
 * ends with the connection, so that the same bytes go to every reader.
 *
 * @returns nothing when the client has gone, or has sent another request ahead of the answer to this one.
 */
export function takeEventSocket(response: ServerResponse): Socket | undefined {
  const { socket } = response;
  if (socket === null || socket.destroyed) {
    response.destroy();
    return undefined;
  }
  response.removeHeader('transfer-encoding');
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
    Connection: 'close',
  });
  response.flushHeaders();
  socket.setTimeout(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  return socket;
}

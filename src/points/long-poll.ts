import type { FeedConfiguration, Heartbeat, Hello } from '../core/feed.ts';
import type { PointName } from '../core/vocabulary.ts';
import type { Configuration } from './feed-configuration.ts';
import { heartbeatOf, helloOf } from './feed-connections.ts';
import { type DecodedFrame, decodeFrames } from './feed-frames.ts';
import type { FeedMemory } from './feed-memory.ts';
import type { Clock } from './ports.ts';

/** Of one answer; whoever is further behind asks again at once. */
const entriesMax = 1_000;

export type PolledEvent =
  | { readonly event: 'hello'; readonly data: Hello }
  | { readonly event: 'configuration'; readonly data: FeedConfiguration }
  | { readonly event: 'heartbeat'; readonly data: Heartbeat }
  | DecodedFrame;

export type PollFeed = (request: {
  readonly seq: number;
  readonly timeoutMs: number;
  readonly point?: PointName;
  readonly stop: AbortSignal;
}) => Promise<readonly PolledEvent[]>;

/** The events of the stream for those who cannot hold one: at once if there are entries, else when there are, or at the timeout. */
export function createPollFeed(options: {
  readonly memory: FeedMemory;
  readonly configuration: Configuration;
  readonly clock: Clock;
}): PollFeed {
  const { memory, configuration, clock } = options;
  const waiting = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of waiting) wake();
  };
  memory.onNews(wakeAll);
  memory.onReset(wakeAll);

  async function news(timeoutMs: number, stop: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stop.removeEventListener('abort', done);
        waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      stop.addEventListener('abort', done);
      waiting.add(done);
    });
  }

  return async ({ seq, timeoutMs, point, stop }) => {
    const { tail } = memory;
    if (tail.head === seq && !stop.aborted) await news(timeoutMs, stop);
    // The tail that the sequence is of was replaced, or has gone on without it: the next request is told so.
    const told = { event: 'configuration' as const, data: configuration.wire(point) };
    if (tail !== memory.tail || tail.start > seq) return [told];
    const through = Math.min(tail.head, seq + entriesMax);
    return [
      { event: 'hello', data: helloOf(memory, seq) },
      told,
      ...(through > seq ? decodeFrames(readFrames(memory, seq, through)) : []),
      ...(through === tail.head
        ? [{ event: 'heartbeat' as const, data: heartbeatOf(memory, clock.monotonicMs(), clock.nowMs()) }]
        : []),
    ];
  };
}

function readFrames({ tail }: FeedMemory, after: number, through: number): string {
  const pieces: Buffer[] = [];
  const end = tail.offsetAfter(through);
  for (let at = tail.offsetAfter(after); at < end; ) {
    const { bytes, next } = tail.readPiece(at, end, Number.MAX_SAFE_INTEGER);
    pieces.push(bytes);
    at = next;
  }
  return Buffer.concat(pieces).toString('utf8');
}

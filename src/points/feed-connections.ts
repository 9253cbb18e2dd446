import { randomInt } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { coalesce } from '../core/coalesce.ts';
import { formatPosition, type Heartbeat, type Hello } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { Millis, PointName, TokenId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { Configuration } from './feed-configuration.ts';
import { eventFrame, firstComment } from './feed-frames.ts';
import { feedLimits, type FeedLimits } from './feed-limits.ts';
import { cursorOf, type FeedMemory, lookEveryMs } from './feed-memory.ts';
import { type FeedStream, type GoodbyeReason, openFeedStream, takeEventSocket } from './feed-stream.ts';
import type { Clock, WatchToken } from './ports.ts';

export type Subscriber = {
  readonly tokenId: TokenId;
  readonly expiresAtMs?: Millis;
  /** Both are set for instances of a point, neither for a watcher. */
  readonly point?: PointName;
  readonly instance?: string;
};

export type FeedConnections = {
  readonly count: number;
  /** Whether another may come. @throws Problem `rate-limited`, `too-many-connections`, `shutting-down` */
  admit(subscriber: Subscriber): void;
  /** Takes over the response and streams what follows `seq`, which the tail holds. */
  open(subscriber: Subscriber, response: ServerResponse, seq: number): void;
  /** Counts somebody who waits for one answer, without a stream. */
  enter(subscriber: Subscriber, response: ServerResponse): WaitingClient;
  /** A point is no more: its streams and waits end. */
  endPoint(point: PointName): void;
  /** Says goodbye to everybody and admits nobody. */
  close(): void;
};

export type WaitingClient = {
  /** Aborted when the client has gone, or is not to be answered any more: then `refused` says why. */
  readonly stop: AbortSignal;
  readonly refused: GoodbyeReason | undefined;
  /** Call it with the answer: an instance that got one is fed until it asks again. */
  leave(): void;
};

export type FeedConnectionsOptions = {
  readonly memory: FeedMemory;
  readonly configuration: Configuration;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly clock: Clock;
  readonly watchToken: WatchToken;
  /** Told with every heartbeat of a connected or waiting instance, and once when its last stream has ended. */
  readonly onFed: (subscriber: Subscriber, connected: boolean) => void;
  readonly limits?: Partial<FeedLimits>;
};

type Connection = {
  readonly subscriber: Subscriber;
  readonly endsAtMs: number;
  configurationVersion: string;
  stream?: FeedStream;
  /** Its token or point is no more, or the node stops. */
  end(reason: GoodbyeReason): void;
};

/**
 * The open streams of this node. Whatever is new is written to all that have caught up, some hundred sockets in each
 * turn; those that are slow read on when their socket drains, and are cut when they fall too far behind. Nobody waits
 * for anybody.
 */
export function createFeedConnections(options: FeedConnectionsOptions): FeedConnections {
  const { memory, configuration, announcer } = options;
  const limits: FeedLimits = { ...feedLimits, ...options.limits };
  const connections = new Set<Connection>();
  let closing = false;

  const visitAll = (visit: (connection: Connection) => void) => visitInTurns(connections, limits, visit);
  const pumpAll = coalesce(() => visitAll(({ stream }) => stream?.pump()));
  memory.onNews(() => void pumpAll());
  memory.onLook(() => {
    configuration.refresh();
    const heartbeat = heartbeatNow(options);
    void visitAll((connection) => beat(connection, heartbeat(), options, limits));
  });
  memory.onReset(() => {
    for (const { stream } of connections) stream?.goodbye('new-epoch');
  });
  const unsubscribe = announcer.subscribe('configuration', () => {
    configuration.refresh();
    void visitAll((connection) => tellConfiguration(connection, configuration));
  });

  return {
    get count() {
      return connections.size;
    },
    admit(subscriber) {
      if (closing) throw new Problem('shutting-down', 'This node is shutting down.');
      refuseBeyondLimits(subscriber, connections, limits);
    },
    open(subscriber, response, seq) {
      // The tail may have been replaced since the sequence was looked up: the client asks again.
      if (seq < memory.tail.start || seq > memory.tail.head) {
        response.destroy();
        return;
      }
      const socket = takeEventSocket(response);
      if (socket === undefined) return;
      const connection: Connection = {
        subscriber,
        endsAtMs: options.clock.monotonicMs() + limits.ageMsMax - randomInt(limits.ageJitterMsMax + 1),
        configurationVersion: configuration.version,
        end: (reason) => connection.stream?.goodbye(reason),
      };
      connections.add(connection);
      let unwatch = (): void => undefined;
      const stream = openFeedStream(socket, {
        tail: memory.tail,
        seq,
        opening: openingOf(options, subscriber, seq),
        limits,
        monotonicMs: options.clock.monotonicMs,
        onEnd() {
          connections.delete(connection);
          unwatch();
          if (!isFed(subscriber, connections)) options.onFed(subscriber, false);
        },
      });
      unwatch = options.watchToken(subscriber, () => stream.goodbye('token-ended'));
      connection.stream = stream;
      options.onFed(subscriber, true);
      stream.pump();
    },
    enter: (subscriber, response) => enter(subscriber, response, connections, options),
    endPoint(point) {
      for (const connection of connections)
        if (connection.subscriber.point === point) connection.end('retired');
    },
    close() {
      closing = true;
      unsubscribe();
      for (const connection of connections) connection.end('shutting-down');
    },
  };
}

function enter(
  subscriber: Subscriber,
  response: ServerResponse,
  connections: Set<Connection>,
  { watchToken, onFed }: FeedConnectionsOptions,
): WaitingClient {
  const stopping = new AbortController();
  let refused: GoodbyeReason | undefined;
  const connection: Connection = {
    subscriber,
    endsAtMs: Infinity,
    configurationVersion: '',
    end(reason) {
      refused ??= reason;
      stopping.abort();
    },
  };
  connections.add(connection);
  const unwatch = watchToken(subscriber, () => connection.end('token-ended'));
  // Of this answer, not of its socket: a client keeps that for the next request, and listeners would pile up on it.
  response.once('close', () => stopping.abort());
  onFed(subscriber, true);
  return {
    stop: stopping.signal,
    get refused() {
      return refused;
    },
    leave() {
      connections.delete(connection);
      unwatch();
      if (!stopping.signal.aborted) onFed(subscriber, true);
    },
  };
}

/** Whether the instance still has a stream or waits for an answer here: it may have several at a time. */
function isFed({ point, instance }: Subscriber, connections: ReadonlySet<Connection>): boolean {
  for (const { subscriber } of connections)
    if (subscriber.point === point && subscriber.instance === instance) return true;
  return false;
}

async function visitInTurns(
  connections: ReadonlySet<Connection>,
  { socketsPerTurn }: FeedLimits,
  visit: (connection: Connection) => void,
): Promise<void> {
  let visited = 0;
  for (const connection of connections) {
    visit(connection);
    if (++visited % socketsPerTurn === 0) await nextTurn();
  }
}

function beat(
  connection: Connection,
  heartbeat: Buffer,
  options: FeedConnectionsOptions,
  limits: FeedLimits,
): void {
  const { stream, subscriber } = connection;
  if (stream === undefined) return options.onFed(subscriber, true);
  const nowMs = options.clock.monotonicMs();
  if (connection.endsAtMs <= nowMs) return stream.goodbye('age');
  if (nowMs - (stream.blockedSinceMs ?? nowMs) > limits.stalledMsMax) return stream.cut();
  tellConfiguration(connection, options.configuration);
  options.onFed(subscriber, true);
  stream.beat(heartbeat);
}

function tellConfiguration(connection: Connection, configuration: Configuration): void {
  if (connection.configurationVersion === configuration.version) return;
  connection.configurationVersion = configuration.version;
  connection.stream?.tell('configuration', configuration.wire(connection.subscriber.point));
}

/** Encoded once for each position that a round of heartbeats meets: entries may arrive during the round. */
function heartbeatNow({ memory, clock }: FeedConnectionsOptions): () => Buffer {
  const asOfMs = clock.nowMs();
  let encoded: { readonly head: number; readonly bytes: Buffer } | undefined;
  return () => {
    const { head } = memory.tail;
    if (encoded?.head !== head) {
      encoded = { head, bytes: eventFrame('heartbeat', heartbeatOf(memory, clock.monotonicMs(), asOfMs)) };
    }
    return encoded.bytes;
  };
}

/** Says how far the reader has come, unless the head was not read within the last second. */
export function heartbeatOf(memory: FeedMemory, nowMonotonicMs: number, asOfMs: Millis): Heartbeat {
  if (nowMonotonicMs - memory.currentAsOfMs > lookEveryMs) return { as_of_ms: asOfMs, stale: true };
  return { through: cursorOf(memory.tail).position, digest: memory.digest, as_of_ms: asOfMs, stale: false };
}

export function helloOf({ tail }: FeedMemory, seq: number): Hello {
  const { epoch } = tail;
  return {
    epoch,
    head: cursorOf(tail).cursor,
    from: `${formatPosition({ epoch, seq })}-${tail.checkOf(seq) ?? ''}`,
    tail_start: formatPosition({ epoch, seq: tail.start }),
    heartbeat_ms: lookEveryMs,
  };
}

function openingOf(
  { memory, configuration }: FeedConnectionsOptions,
  { point }: Subscriber,
  seq: number,
): Buffer {
  return Buffer.concat([
    firstComment,
    eventFrame('hello', helloOf(memory, seq)),
    eventFrame('configuration', configuration.wire(point)),
  ]);
}

function refuseBeyondLimits(
  subscriber: Subscriber,
  connections: ReadonlySet<Connection>,
  limits: FeedLimits,
): void {
  if (connections.size >= limits.connectionsMax) {
    throw new Problem('too-many-connections', 'This node serves as many feeds as it can.', {
      hint: 'Try again in a few seconds, another node if there is one.',
    });
  }
  const { tokenId, instance } = subscriber;
  let [ofToken, ofInstance] = [0, 0];
  for (const { subscriber: other } of connections) {
    if (other.tokenId !== tokenId) continue;
    ofToken++;
    if (other.instance === instance) ofInstance++;
  }
  const tokenMax = instance === undefined ? limits.watcherConnectionsMax : limits.pointConnectionsMax;
  if (ofToken >= tokenMax) throw new Problem('rate-limited', `The token has ${tokenMax} open feeds.`);
  if (instance !== undefined && ofInstance >= limits.instanceConnectionsMax) {
    throw new Problem('rate-limited', `The instance ${instance} has ${ofInstance} open feeds.`, {
      hint: 'Every process needs an instance name of its own.',
    });
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { type CommonRedisOptions, Redis } from 'ioredis';

/** Every key and channel of ours begins with it. */
const PREFIX = 'caep-hub';
const CONNECT_TIMEOUT_MS = 1_000;
/** How long the start waits for the first connection before it goes on without. */
const START_PATIENCE_MS = 1_500;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 2_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
/** How often a silent connection is asked whether it is still there. */
const PROBE_EVERY_MS = 2_000;
/** A connection that owes an answer for longer is dead. */
const ANSWER_TIMEOUT_MS = 1_500;
/** The same for BullMQ's, whose blocking reads take up to ten seconds. */
const BLOCKING_ANSWER_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 1_000;

export type ConnectionKind = 'listening' | 'blocking';
export type WaitingConnection = {
  /** A `blocking` one connects only in its copies, which BullMQ makes. */
  readonly client: Redis;
  /** Ends it and its copies at once. */
  readonly close: () => void;
};
export type RedisServer = {
  /** Prefix of the keys and channels of this hub: two hubs on one Redis do not meet. */
  readonly namespace: string;
  /** For what is worth nothing later: while Redis is away its commands fail at once, and within a second when it is frozen. */
  readonly commands: Redis;
  /** One more, whose commands wait until Redis is back. Whoever opened it closes it. */
  readonly open: (kind: ConnectionKind) => WaitingConnection;
  readonly isAway: () => boolean;
  /** Redis went away or came back. Returns a function that ends the subscription. */
  readonly onChange: (listener: (isAway: boolean) => void) => () => void;
  readonly close: () => void;
};

/**
 * Connects to Redis, and goes on without while it is away: every connection comes back by itself. The one place that
 * opens any.
 */
export async function openRedis(options: {
  /** May hold a password: it is never shown. */
  readonly url: string;
  /** Tells this hub from others at the same Redis. */
  readonly identity: string;
  /** Why Redis is away, once each time; `undefined` when it is back. */
  readonly onChange: (reason: Error | undefined) => void;
}): Promise<RedisServer> {
  const listeners = new Set<(isAway: boolean) => void>();
  const commands = connect(options.url, {
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: ANSWER_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  });
  let state: 'starting' | 'away' | 'here' = 'starting';
  let reason = new Error('Redis closed the connection');

  function become(next: 'away' | 'here'): void {
    if (state === next) return;
    const isFirst = state === 'starting' && next === 'here';
    state = next;
    if (!isFirst) options.onChange(next === 'away' ? reason : undefined);
    for (const listener of listeners) listener(next === 'away');
  }

  commands.on('error', (error) => (reason = withoutCommand(error)));
  commands.on('close', () => become('away'));
  commands.on('ready', () => become('here'));
  const endProbing = probe(commands);
  await Promise.race([
    new Promise((resolve) => commands.once('ready', resolve)),
    delay(START_PATIENCE_MS, undefined, { ref: false }),
  ]);
  return {
    namespace: `${PREFIX}:${options.identity}`,
    commands,
    open: (kind) => openWaiting(options.url, kind),
    // A connection that ended is told of a moment later than its commands begin to fail.
    isAway: () => state !== 'here' || !commands.stream.writable,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      endProbing();
      commands.removeAllListeners('close');
      commands.disconnect();
    },
  };
}

function openWaiting(url: string, kind: ConnectionKind): WaitingConnection {
  const settings = {
    socketTimeout: kind === 'listening' ? ANSWER_TIMEOUT_MS : BLOCKING_ANSWER_TIMEOUT_MS,
    maxRetriesPerRequest: null,
    autoResubscribe: false,
  };
  const client = connect(url, { ...settings, lazyConnect: kind === 'blocking' });
  // That Redis is away is told once, by the connection for commands.
  client.on('error', () => undefined);
  const endProbing = kind === 'listening' ? probe(client) : () => undefined;
  const all = [client];
  client.duplicate = (override) => {
    const copy = connect(url, { ...settings, lazyConnect: false, ...override });
    copy.on('error', () => undefined);
    all.push(copy);
    return copy;
  };
  return {
    client,
    close() {
      endProbing();
      for (const one of all) one.disconnect();
    },
  };
}

function connect(url: string, options: Omit<CommonRedisOptions, 'replyMapping'>): Redis {
  return new Redis(url, {
    connectionName: PREFIX,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_AFTER_MS,
    retryStrategy: waitBeforeRetry,
    ...options,
  });
}

/** Half of it by chance, so that nodes do not come back all at once. */
function waitBeforeRetry(attempt: number): number {
  const wait = Math.min(RETRY_FIRST_MS * 2 ** Math.min(attempt, 10), RETRY_MAX_MS);
  return wait / 2 + (Math.random() * wait) / 2;
}

/** An answer that does not come within the socket's timeout breaks the connection, which then comes back. */
function probe(connection: Redis): () => void {
  const timer = setInterval(() => {
    if (connection.status === 'ready') connection.ping().catch(() => undefined);
  }, PROBE_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** The driver's errors carry the command that failed with its arguments: of an AUTH that is the password. */
export function withoutCommand(error: Error): Error {
  return new Error(error.message === '' ? error.name : error.message);
}

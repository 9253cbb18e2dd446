import type { Announcer } from '../../pipeline/ports.ts';
import { createAnnouncements } from '../system/announcements.ts';
import { type RedisServer, withoutCommand } from './connections.ts';

/**
 * Wakes the readers of this process at once, and those of other nodes by PUBLISH, which reaches whoever listens just
 * then and is kept nowhere. Where messages may have been lost, everybody is woken: here, because this node did not hear,
 * and at the others, because they were not told. While Redis is away nodes look by themselves.
 */
export function createRedisAnnouncer(options: {
  readonly redis: RedisServer;
  /** A message was not sent though Redis is there. */
  readonly onError: (error: unknown) => void;
}): Announcer & { close(): void } {
  const { redis, onError } = options;
  const channel = `${redis.namespace}:wake-ups`;
  const noteError = (error: unknown): void => {
    if (!redis.isAway()) onError(error instanceof Error ? withoutCommand(error) : error);
  };
  const { announce, subscribe, heard, wakeAll, sendAgain } = createAnnouncements({
    send: (message) => redis.commands.publish(channel, message),
    onError: noteError,
  });
  const listening = redis.open('listening');
  listening.client.on('message', (_channel, message) => heard(message));
  const takeHold = (): void => void listening.client.subscribe(channel).then(wakeAll, noteError);
  listening.client.on('ready', takeHold);
  const endWatching = redis.onChange((isAway) => {
    if (!isAway) sendAgain();
  });
  return {
    announce,
    subscribe,
    close() {
      endWatching();
      listening.client.removeAllListeners('message');
      listening.close();
    },
  };
}

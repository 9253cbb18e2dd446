import { randomUUID } from 'node:crypto';
import { coalesce } from '../../core/coalesce.ts';
import { topics, type Announcer, type Topic } from '../../pipeline/ports.ts';
import type { Database } from './database.ts';

const CHANNEL = 'caep_hub';

/**
 * Wakes the readers of this process at once, and those of other nodes by NOTIFY. While one NOTIFY of a topic is under
 * way, further announcements of it become one more. Where notifications may have been lost, everybody is woken.
 */
export function createAnnouncer(options: {
  readonly database: Pick<Database, 'kind' | 'pool' | 'listen'>;
  readonly onError: (error: unknown) => void;
}): Announcer & { close(): void } {
  const { database, onError } = options;
  const node = randomUUID();
  const listeners = new Map<Topic, Set<() => void>>(topics.map((topic) => [topic, new Set()]));

  function wake(topic: Topic): void {
    for (const listener of listeners.get(topic) ?? []) listener();
  }

  const notifying = new Map(topics.map((topic) => [topic, coalesce(() => notify(topic))]));
  async function notify(topic: Topic): Promise<void> {
    try {
      await database.pool.query('SELECT pg_notify($1, $2)', [CHANNEL, `${node} ${topic}`]);
    } catch (error) {
      onError(error);
    }
  }

  /** The embedded database has one process, and its readers are woken without it. */
  const endListening =
    database.kind === 'embedded'
      ? () => undefined
      : database.listen(CHANNEL, {
          onNotification(payload) {
            const [from, name] = payload.split(' ');
            const topic = topics.find((known) => known === name);
            if (topic !== undefined && from !== node) wake(topic);
          },
          onGap: () => topics.forEach(wake),
        });

  return {
    announce(topic) {
      wake(topic);
      if (database.kind === 'server') void notifying.get(topic)?.();
    },
    subscribe(topic, listener) {
      listeners.get(topic)?.add(listener);
      return () => void listeners.get(topic)?.delete(listener);
    },
    close: endListening,
  };
}

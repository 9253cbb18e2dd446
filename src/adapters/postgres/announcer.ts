import type { Announcer } from '../../pipeline/ports.ts';
import { createAnnouncements } from '../system/announcements.ts';
import type { Database } from './database.ts';

const CHANNEL = 'caep_hub';

/**
 * Wakes the readers of this process at once, and those of other nodes by NOTIFY. Where notifications may have been
 * lost, everybody is woken. The embedded database has one process, and its readers are woken without it.
 */
export function createAnnouncer(options: {
  readonly database: Pick<Database, 'kind' | 'pool' | 'listen'>;
  readonly onError: (error: unknown) => void;
}): Announcer & { close(): void } {
  const { database, onError } = options;
  if (database.kind === 'embedded') return { ...createAnnouncements({ onError }), close: () => undefined };
  const announcements = createAnnouncements({
    send: (message) => database.pool.query('SELECT pg_notify($1, $2)', [CHANNEL, message]),
    onError,
  });
  const endListening = database.listen(CHANNEL, {
    onNotification: announcements.heard,
    onGap() {
      announcements.wakeAll();
      announcements.sendAgain();
    },
  });
  const { announce, subscribe } = announcements;
  return { announce, subscribe, close: endListening };
}

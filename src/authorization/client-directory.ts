import { LRUCache } from 'lru-cache';
import type { ClientId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { ClientStore, SpeakingClient } from './ports.ts';

/** How long a client is known without asking again, should the announcement of a change be lost. */
const rememberMs = 5_000;
const clientsMax = 10_000;

export type ClientDirectory = {
  /** The client, unless it was revoked. Answers from memory for a few seconds. */
  findLiving(id: ClientId): Promise<SpeakingClient | undefined>;
};

export function createClientDirectory(options: {
  readonly store: Pick<ClientStore, 'find'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
}): ClientDirectory {
  const { store, announcer } = options;
  const known = new LRUCache<ClientId, SpeakingClient>({ max: clientsMax, ttl: rememberMs });
  let generation = 0;
  announcer.subscribe('tokens', () => {
    generation += 1;
    known.clear();
  });

  /** What was read before a change was announced is not remembered after it. */
  async function read(id: ClientId): Promise<SpeakingClient | undefined> {
    const asked = generation;
    const client = await store.find(id);
    if (client !== undefined && asked === generation) known.set(id, client);
    return client;
  }

  return {
    async findLiving(id) {
      const client = known.get(id) ?? (await read(id));
      return client?.revokedAtMs === undefined ? client : undefined;
    },
  };
}

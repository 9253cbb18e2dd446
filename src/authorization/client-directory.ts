import { LRUCache } from 'lru-cache';
import { isStorable } from '../core/text.ts';
import { nameShape, type ClientId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { ClientStore, ExternalName, SpeakingClient } from './ports.ts';

/** How long a client is known without asking again, should the announcement of a change be lost. */
const rememberMs = 5_000;
const clientsMax = 10_000;
/** Names of nobody are remembered apart, so that guessing does not push out those who are known. */
const strangersMax = 1_000;

export type ClientDirectory = {
  /** The client, unless it was revoked. Answers from memory for a few seconds. */
  findLiving(id: ClientId): Promise<SpeakingClient | undefined>;
  /** The same for whom a token of an issuer elsewhere names. */
  findExternal(name: ExternalName): Promise<SpeakingClient | undefined>;
};

/** Strangers ask for whatever they write: what no client can be called is nobody, and no store is asked for it. */
export function createClientDirectory(options: {
  readonly store: Pick<ClientStore, 'find' | 'findExternal'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
}): ClientDirectory {
  const { store, announcer } = options;
  const known = new LRUCache<string, SpeakingClient>({ max: clientsMax, ttl: rememberMs });
  const strangers = new LRUCache<string, true>({ max: strangersMax, ttl: rememberMs });
  let generation = 0;
  announcer.subscribe('tokens', () => {
    generation += 1;
    known.clear();
    strangers.clear();
  });

  /** What was read before a change was announced is not remembered after it. */
  async function find(
    key: string,
    read: () => Promise<SpeakingClient | undefined>,
  ): Promise<SpeakingClient | undefined> {
    const there = known.get(key);
    if (there !== undefined || strangers.has(key)) return there;
    const asked = generation;
    const client = await read();
    if (asked !== generation) return client;
    if (client === undefined) strangers.set(key, true);
    else known.set(key, client);
    return client;
  }

  return {
    async findLiving(id) {
      if (!nameShape.test(id)) return undefined;
      const client = await find(JSON.stringify([id]), () => store.find(id));
      return client?.revokedAtMs === undefined ? client : undefined;
    },
    async findExternal(name) {
      const { iss, clientId: named = '', sub = '' } = name;
      if (!isStorable(named) || !isStorable(sub)) return undefined;
      return find(JSON.stringify([iss, name.clientId, name.sub]), () => store.findExternal(name));
    },
  };
}

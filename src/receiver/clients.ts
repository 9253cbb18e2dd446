import { createHash } from 'node:crypto';
import type { OpenTransmitterClient, TransmitterClient, Upstream, UpstreamStore } from './ports.ts';

/** The client of an upstream, with its credentials as they are now. */
export type ClientOf = (upstream: Upstream) => Promise<TransmitterClient>;

/** One client for each upstream, so that its token is got once; made anew when what it is made of changes. */
export function createClients(options: {
  readonly store: Pick<UpstreamStore, 'secretsOf' | 'list'>;
  readonly open: OpenTransmitterClient;
}): ClientOf {
  const { store, open } = options;
  const clients = new Map<string, { readonly madeOf: string; readonly client: TransmitterClient }>();

  return async ({ id, name, settings }) => {
    const secrets = await store.secretsOf(name);
    if (secrets === undefined) throw new Error('an upstream has no secrets');
    const madeOf = digestOf([settings, secrets.credentials]);
    const known = clients.get(id);
    if (known?.madeOf === madeOf) return known.client;
    if (known === undefined) await forgetOthers();
    const client = open(settings, secrets.credentials);
    clients.set(id, { madeOf, client });
    return client;
  };

  /** Of upstreams that are gone: their tokens too are nobody's business any more. */
  async function forgetOthers(): Promise<void> {
    const there = new Set<string>((await store.list()).map(({ id }) => id));
    for (const id of clients.keys()) if (!there.has(id)) clients.delete(id);
  }
}

const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64');

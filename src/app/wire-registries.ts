import { createIdentityLinkStore } from '../adapters/postgres/identity-link-store.ts';
import { createIssuerStore } from '../adapters/postgres/issuer-store.ts';
import { createSourceStore } from '../adapters/postgres/source-store.ts';
import { followRows } from '../adapters/system/follow-rows.ts';
import type { HubServer } from '../http/server.ts';
import { identityLinkRoutes } from '../identity-links/routes.ts';
import { createIssuerDirectory, type IssuerDirectory } from '../issuers/issuer-directory.ts';
import { issuerRoutes } from '../issuers/routes.ts';
import { sourceRoutes } from '../sources/routes.ts';
import { warn, type Hub } from './platform.ts';

/** Who is known: issuers, sources and what ties names to keys. */
export async function wireRegistries(server: HubServer, hub: Hub): Promise<IssuerDirectory> {
  const { database, announcer, log, closers } = hub;
  const { nowMs } = hub.clock;
  const store = createIssuerStore({ database, announcer });
  const onError = warn(log, 'the issuers were not read again');
  const rows = await followRows({ list: store.list, topics: ['configuration'], announcer, onError });
  closers.add('issuers', () => rows.close());
  const issuers = createIssuerDirectory(rows);
  const catchUp = () => rows.refresh().catch(onError);
  await server.register(issuerRoutes, { store, nowMs, catchUp });
  await server.register(sourceRoutes, { store: createSourceStore({ database, announcer }), nowMs });
  await server.register(identityLinkRoutes, {
    store: createIdentityLinkStore({ database, announcer }),
    nowMs,
    onlyIssuer: issuers.only,
  });
  return issuers;
}

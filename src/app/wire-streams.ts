import { createStreamStore } from '../adapters/postgres/stream-store.ts';
import { createStreamSubjectStore } from '../adapters/postgres/stream-subject-store.ts';
import { newId } from '../adapters/system/ids.ts';
import { createSealer } from '../adapters/system/sealer.ts';
import { refuseEndpoint as refuseEndpointOf } from '../core/judge-destination.ts';
import type { HubServer } from '../http/server.ts';
import { streamRoutes } from '../transmitter/admin-routes.ts';
import { createManagement } from '../transmitter/manage.ts';
import { createOperation } from '../transmitter/operate.ts';
import { createPauseInactive } from '../transmitter/pause-inactive.ts';
import type { FindReceiver } from '../transmitter/ports.ts';
import { clientOf } from '../transmitter/receiver.ts';
import { ssfRoutes } from '../transmitter/routes.ts';
import type { Hub } from './platform.ts';
import type { Oauth } from './wire-oauth.ts';

export type Streams = Awaited<ReturnType<typeof wireStreams>>;

/** What the hub sends to whom: the streams of receivers. */
export async function wireStreams(server: HubServer, hub: Hub, { clients }: Pick<Oauth, 'clients'>) {
  const { database, announcer, clock, deriveKey, publicUrl, outboundAllow } = hub;
  const sealer = createSealer(deriveKey('stream-authorization'));
  const store = createStreamStore({ database, announcer, sealer });
  const subjects = createStreamSubjectStore({ database, announcer });
  const { nowMs } = clock;
  const issuer = publicUrl.get;
  const refuseEndpoint = (url: string) => refuseEndpointOf(url, outboundAllow);
  const findReceiver: FindReceiver = async (receiver) => {
    const client = clientOf(receiver);
    return client === undefined ? {} : clients.findLiving(client);
  };
  const options = { store, subjects, issuer, newId, nowMs, refuseEndpoint, findReceiver };
  const management = createManagement(options);
  await server.register(ssfRoutes, { management, issuer, issuerPath: publicUrl.path, nowMs });
  await server.register(streamRoutes, { operation: createOperation(options), store, issuer, nowMs });
  return { store, sealer, pauseInactive: createPauseInactive(options) };
}

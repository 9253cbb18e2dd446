import { randomBytes } from 'node:crypto';
import { keyCraft, privateJwkOf } from '../adapters/jose/key-craft.ts';
import { createReceivedSetStore } from '../adapters/postgres/received-set-store.ts';
import { createSourceStore } from '../adapters/postgres/source-store.ts';
import { createUpstreamChanges } from '../adapters/postgres/upstream-changes.ts';
import { createUpstreamStore } from '../adapters/postgres/upstream-store.ts';
import { createUpstreamTurns } from '../adapters/postgres/upstream-turns.ts';
import { createOpenTransmitterClient } from '../adapters/ssf/transmitter-client.ts';
import { createSealer } from '../adapters/system/sealer.ts';
import { createFetchIssuerKeys } from '../authorization/fetch-issuer-keys.ts';
import { refuseEndpoint } from '../core/judge-destination.ts';
import type { SafeFetch } from '../core/outgoing.ts';
import { upstreamId, type JsonObject } from '../core/vocabulary.ts';
import type { Part } from '../http/readiness.ts';
import type { HubServer } from '../http/server.ts';
import { createClients } from '../receiver/clients.ts';
import { createLookAfter, type LookAfterPorts } from '../receiver/look-after.ts';
import { createUpstreamManagement } from '../receiver/manage-upstreams.ts';
import type { UpstreamStore } from '../receiver/ports.ts';
import { readIssuer } from '../receiver/read-issuer.ts';
import { setsRoutes } from '../receiver/sets-routes.ts';
import { stepRoutes } from '../receiver/step-routes.ts';
import { testUpstream } from '../receiver/test-upstream.ts';
import { healthOf } from '../receiver/upstream-reply.ts';
import { upstreamRoutes } from '../receiver/upstream-routes.ts';
import { createUpstreamSteps } from '../receiver/upstream-steps.ts';
import { type Hub, warn } from './platform.ts';

/** What is unguessable is 256 bits. */
const secretBytes = 32;
const secretText = (): string => randomBytes(secretBytes).toString('base64url');

export type Upstreams = Awaited<ReturnType<typeof wireUpstreams>>;

/** Transmitters that the hub listens to: who they are, and who looks after them. */
export async function wireUpstreams(server: HubServer, hub: Hub) {
  const { database, announcer, clock, deriveKey, publicUrl, closers, outboundAllow, longFetch } = hub;
  const { nowMs } = clock;
  const hubUrl = publicUrl.get;
  const sealer = createSealer(deriveKey('upstreams'));
  const store = createUpstreamStore({ database, announcer, sealer });
  const turns = createUpstreamTurns({ database, announcer, store });
  const changes = createUpstreamChanges({ database, announcer, sealer });
  const closing = new AbortController();
  const fetch = untilClosed(hub.fetch, closing.signal);
  const clientOf = createClients({ store, open: createOpenTransmitterClient({ fetch, longFetch, nowMs }) });
  const lookAfter = createLookAfter({
    store,
    turns,
    clientOf,
    hubUrl,
    newState: secretText,
    nowMs,
    chance: Math.random,
    ...tellTrouble(hub),
  });
  closers.add('looking after upstreams', async () => {
    const closed = lookAfter.close();
    closing.abort();
    await closed;
  });
  const management = createUpstreamManagement({
    store,
    changes,
    turns,
    lookAfter,
    clientOf,
    findSource: createSourceStore({ database, announcer }).find,
    readIssuer: (url) => readIssuer(url, hub.fetch),
    refuseUrl: (url) => refuseEndpoint(url, outboundAllow),
    makeKey: makeClientKey,
    newId: () => upstreamId(`up_${secretText()}`),
    newAuthorization: () => `Bearer ${secretText()}`,
    nowMs,
  });
  const steps = createUpstreamSteps({ store, turns, lookAfter, clientOf, hubUrl, nowMs });
  const testPorts = {
    store,
    clientOf,
    fetchKeys: createFetchIssuerKeys(hub.fetch),
    hubUrl,
    isHubLocal: publicUrl.isLoopback,
  };
  await server.register(upstreamRoutes, { management, store, hubUrl, nowMs });
  await server.register(stepRoutes, {
    management,
    steps,
    test: (upstream) => testUpstream(upstream, testPorts),
    hubUrl,
    nowMs,
  });
  await server.register(setsRoutes, { management, sets: createReceivedSetStore({ database }) });
  watchHealth(hub, store);
  return { store, clientOf, wake: lookAfter.wake };
}

/** What is under way when the hub shuts down is cut off: it is done again by whoever has the next turn. */
const untilClosed =
  (fetch: SafeFetch, closing: AbortSignal): SafeFetch =>
  (request) =>
    fetch({
      ...request,
      stop: request.stop === undefined ? closing : AbortSignal.any([request.stop, closing]),
    });

/** For `private_key_jwt`. @see RFC 7523 §2.2 */
async function makeClientKey(): Promise<JsonObject> {
  const algorithm = 'ES256';
  const { kid, privateKey } = await keyCraft.make(algorithm);
  return privateJwkOf({ kid, algorithm, privateKey });
}

function tellTrouble({ log, metrics }: Hub): Pick<LookAfterPorts, 'onError' | 'onFailure'> {
  return {
    onError: warn(log, 'an upstream was not looked after; it is again'),
    onFailure(name, { step, text, attempts }) {
      metrics.alerted('upstream-failed');
      log.warn({ upstream: name, step, attempts, why: text }, 'an upstream does not work');
    },
  };
}

/** What of them a person should know. Which they are is for those who may read of them. */
function watchHealth({ metrics, parts, clock }: Hub, store: Pick<UpstreamStore, 'list'>): void {
  const states = async () =>
    (await store.list()).map((one) => ({ name: one.name, ...healthOf(one, clock.nowMs()) }));
  metrics.gauge('caep_hub_upstreams', async () =>
    (await states()).map(({ name, state }) => ({ labels: { upstream: name, state }, value: 1 })),
  );
  const part: Part = async () => {
    const all = await states();
    const wrong = (['failing', 'silent'] as const).flatMap((wanted) => {
      const count = all.filter(({ state }) => state === wanted).length;
      return count === 0 ? [] : [`${count} ${wanted}`];
    });
    if (wrong.length === 0) return {};
    return {
      notices: [`Of ${all.length} upstreams ${wrong.join(', ')}: caep-hub upstream list says which.`],
    };
  };
  parts.set('upstreams', part);
}

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createReceivedSetStore, sweepReceivedSets } from '../adapters/postgres/received-set-store.ts';
import { followRows } from '../adapters/system/follow-rows.ts';
import { createFetchIssuerKeys } from '../authorization/fetch-issuer-keys.ts';
import type { SetErrorCode } from '../core/received-set.ts';
import type { HubServer } from '../http/server.ts';
import { createAcceptSet } from '../receiver/accept-set.ts';
import { pollNow } from '../receiver/poll-now.ts';
import { pollNowRoute } from '../receiver/poll-routes.ts';
import { createPoller } from '../receiver/poller.ts';
import type { TransmitterClient, Upstream, UpstreamStore } from '../receiver/ports.ts';
import { pushRoutes } from '../receiver/push-routes.ts';
import { createSetKeys } from '../receiver/set-keys.ts';
import { createUpstreamDirectory } from '../receiver/upstream-directory.ts';
import { createAnswerWatch } from '../receiver/watch-answers.ts';
import { warn, type Hub } from './platform.ts';
import type { Signals } from './wire-signals.ts';
import type { Tokens } from './wire-tokens.ts';

/** What was recorded of SETs that are no signals is kept so long. */
const setsKeptMs = 30 * 24 * 60 * 60_000;

type ReceiverNeeds = {
  readonly store: UpstreamStore;
  readonly clientOf: (upstream: Upstream) => Promise<TransmitterClient>;
  readonly signals: Signals;
  readonly tokens: Pick<Tokens, 'refusals'>;
};

export type Receiver = Awaited<ReturnType<typeof wireReceiver>>;

/** The door for SETs of upstreams, pushed and polled. */
export async function wireReceiver(server: HubServer, hub: Hub, needs: ReceiverNeeds) {
  const { database, announcer, clock, log, metrics, closers } = hub;
  const { store, clientOf, signals, tokens } = needs;
  const { nowMs } = clock;
  const sets = createReceivedSetStore({ database });
  const rows = await followRows({
    list: store.list,
    topics: ['configuration', 'tokens'],
    announcer,
    onError: warn(log, 'the upstreams were not read again'),
  });
  closers.add('upstreams', () => rows.close());
  const directory = createUpstreamDirectory(rows);
  const watch = createAnswerWatch({
    store,
    nowMs,
    count: metrics.setReceived,
    noteRefusal: ({ name }, err) => tokens.refusals.note({ who: `upstream:${name}`, reason: err }),
    onWave: tellWave(hub),
    onError: warn(log, 'it was not written down that an upstream sent a SET'),
  });
  const keys = createSetKeys({
    fetchKeys: createFetchIssuerKeys(hub.fetch),
    clock,
    pause: delay,
    onTrouble: ({ name }, err) => log.warn({ err, upstream: name }, 'the keys of an upstream cannot be had'),
  });
  directory.onRead(() => {
    const all = directory.all();
    keys.keep(all);
    watch.keep(all);
  });
  const accept = createAcceptSet({
    store,
    sets,
    findKey: keys.find,
    ...signals,
    nowMs,
    onAnswer: watch.answered,
  });
  await server.register(pushRoutes, { find: directory.byId, accept, noteRefusal: watch.refused });
  const polling = {
    store,
    clientOf,
    accept,
    onError: ({ name }: Upstream, err: unknown) =>
      log.warn({ err, upstream: name }, 'an upstream was not polled; it is tried again'),
  };
  const poller = createPoller({
    ...polling,
    directory,
    // Of an embedded database there is one node: who was killed need not be waited for.
    holder: database.kind === 'embedded' ? 'embedded' : randomUUID(),
    nowMs,
    chance: Math.random,
  });
  await server.register(pollNowRoute, { pollNow: (name) => pollNow(name, polling) });
  closers.add('polls of upstreams', () => poller.close());
  return {
    directory,
    refresh: rows.refresh,
    accept,
    sets,
    sweep: (stop: AbortSignal) => sweepReceivedSets(database, nowMs() - setsKeptMs, stop),
  };
}

/** Somebody sends what is not of this Transmitter, or it has become another. */
function tellWave({ log, metrics }: Hub): (upstream: Upstream, err: SetErrorCode) => void {
  return ({ name }, err) => {
    metrics.alerted('upstream-refused');
    log.error(
      { upstream: name, code: err },
      'SETs of an upstream are refused one after the other: look at once',
    );
  };
}

import { readDeliveryGauges } from '../adapters/postgres/delivery-gauges.ts';
import { createDeliveryLog } from '../adapters/postgres/delivery-log.ts';
import { sweepDeliveries } from '../adapters/postgres/delivery-sweeps.ts';
import { createDeliveryStore } from '../adapters/postgres/delivery-store.ts';
import { createFindToTake } from '../adapters/postgres/find-to-take.ts';
import { sweepEndedStreams } from '../adapters/postgres/ended-streams.ts';
import { createReplay } from '../adapters/postgres/replay.ts';
import { authorizationContext } from '../adapters/postgres/stream-store.ts';
import { newId } from '../adapters/system/ids.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { HubServer } from '../http/server.ts';
import { createDeliverer, type DelivererPorts } from '../transmitter/deliverer.ts';
import { createJudgePush, failuresUntilTrial } from '../transmitter/judge-push.ts';
import { type KeyRing, signSets } from '../transmitter/key-ring.ts';
import { deliveryRoutes } from '../transmitter/delivery-routes.ts';
import { createPoll } from '../transmitter/poll.ts';
import { createPollWaits } from '../transmitter/poll-waits.ts';
import { pollRoutes } from '../transmitter/poll-routes.ts';
import { createPushSet } from '../transmitter/push-set.ts';
import { createSamples } from '../transmitter/samples.ts';
import { receiverOf } from '../transmitter/receiver.ts';
import { replayRoutes } from '../transmitter/replay-routes.ts';
import { warn, type Hub } from './platform.ts';
import type { Streams } from './wire-streams.ts';
import type { Tokens } from './wire-tokens.ts';

/** Puts the stream's turn into the queue. */
type At = (task: 'deliver', id: string, dueAtMs: Millis) => Promise<void>;

export type Transmitter = {
  /** Something may be due. */
  readonly wake: () => void;
  readonly sweep: (stop: AbortSignal) => Promise<number>;
  readonly sweepEnded: (stop: AbortSignal) => Promise<void>;
  /** Until then, and without it, what is due later is found by looking. */
  readonly useQueue: (at: At) => void;
};

type TransmitterNeeds = {
  readonly keys: KeyRing;
  readonly streams: Streams;
  readonly tokens: Pick<Tokens, 'onTokenEnded'>;
};

/** SETs on their way: pushed, polled for, or dead until somebody replays them. */
export async function wireTransmitter(
  server: HubServer,
  hub: Hub,
  { keys, streams, tokens }: TransmitterNeeds,
): Promise<Transmitter> {
  const { database, announcer, clock, log, metrics, closers } = hub;
  const { nowMs } = clock;
  const sign = signSets(keys);
  let queue: At | undefined;
  const store = createDeliveryStore({
    database,
    openAuthorization: (id, sealed) => streams.sealer.open(sealed, authorizationContext(id)),
  });
  const onNotQueued = warn(log, 'a later attempt was not queued; it is found by looking');
  const deliverer = createDeliverer({
    store,
    sign,
    isServed: keys.isServed,
    push: createPushSet({ fetch: hub.fetch, nowMs }),
    judge: createJudgePush({ chance: Math.random }),
    trialFrom: failuresUntilTrial,
    announcer,
    later: (streamId, dueAtMs) => void queue?.('deliver', streamId, dueAtMs).catch(onNotQueued),
    nowMs,
    onOutcome: tellOutcome(hub),
    onError: warn(log, 'a SET was not sent; it is tried again'),
  });
  closers.add('deliverer', () => deliverer.close());
  const waits = createPollWaits({
    findToTake: createFindToTake({ database }),
    announcer,
    nowMs,
    onError: warn(log, 'waiting polls were not looked after; they are again in a moment'),
  });
  closers.add('polls', () => waits.close());
  metrics.gauge('caep_hub_deliveries', () => readDeliveryGauges(database, nowMs()));
  await server.register(pollRoutes, {
    poll: createPoll({
      store,
      sign,
      isServed: keys.isServed,
      waits,
      nowMs,
      onDead(stream, set, answer) {
        metrics.alerted('dead-letter');
        log.warn({ set, streamId: stream, answer, state: 'dead' }, 'a SET was not taken');
      },
    }),
    async findOwn(caller, id) {
      const stream = await streams.store.find(id);
      return stream?.receiver === receiverOf(caller) ? stream : undefined;
    },
    noteActivity: streams.store.noteActivity,
    watchToken: tokens.onTokenEnded,
    nowMs,
  });
  await server.register(deliveryRoutes, { find: streams.store.find, log: createDeliveryLog({ database }) });
  await server.register(replayRoutes, {
    find: streams.store.find,
    replay: createReplay({ database, announcer }),
    samples: createSamples({ store: streams.store, issuer: hub.publicUrl.get, newId }),
    nowMs,
  });
  return {
    wake: deliverer.wake,
    sweep: (stop) => sweepDeliveries(database, nowMs(), stop),
    sweepEnded: (stop) => sweepEndedStreams(database, nowMs(), stop),
    useQueue: (at) => void (queue = at),
  };
}

/** What a person must look at: a SET that is dead, an endpoint that takes nothing. */
function tellOutcome({ log, metrics }: Hub): DelivererPorts['onOutcome'] {
  return ({ id, streamId, attempts }, outcome, { state }) => {
    metrics.pushed(outcome.kind);
    if (outcome.kind === 'delivered' || (outcome.kind === 'retry' && state === 'retry')) return;
    const { answer } = outcome;
    if (state === 'dead') metrics.alerted('dead-letter');
    log.warn({ set: id, streamId, attempts, answer, outcome: outcome.kind, state }, 'a SET was not taken');
  };
}

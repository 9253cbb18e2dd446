import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject, Millis } from '../core/vocabulary.ts';
import type { ClientOf } from './clients.ts';
import type { LookAfter } from './look-after.ts';
import type {
  Called,
  Change,
  RemoteStream,
  TransmitterClient,
  TransmitterEndpoints,
  Upstream,
  UpstreamStore,
  WantedStream,
} from './ports.ts';
import type { Wish } from './round.ts';
import type { Turn, UpstreamTurns } from './turn-ports.ts';
import {
  askedTooSoon,
  cannotBeAsked,
  noSuchUpstream,
  notConnected,
  upstreamFailed,
} from './upstream-problems.ts';
import { wantedStream } from './wanted-stream.ts';

/** How often the one who waits for a verification event looks whether it came. */
const lookMs = 100;

export type StepPorts = {
  readonly store: UpstreamStore;
  readonly turns: Pick<UpstreamTurns, 'note'>;
  readonly lookAfter: LookAfter;
  readonly clientOf: ClientOf;
  readonly hubUrl: () => string;
  readonly nowMs: () => Millis;
};

export type StreamStatus = { readonly status: string; readonly reason?: string };

/** Each step of looking after an upstream, alone. @throws Problem `not-found`, `conflict`, `upstream-failed` */
export type UpstreamSteps = {
  /** As if it had never been connected: its stream is found again, or made. */
  connect(name: string, by: Change): Promise<Upstream>;
  /** As its Transmitter has it. */
  readStream(name: string): Promise<JsonObject>;
  /** Asks for delivery and events as they are set up: PATCH, or PUT. */
  updateStream(name: string, how: 'updateStream' | 'replaceStream', by: Change): Promise<JsonObject>;
  /** Pauses the upstream, for else its stream is made again. */
  deleteStream(name: string, by: Change): Promise<void>;
  readStatus(name: string): Promise<StreamStatus>;
  setStatus(name: string, wanted: StreamStatus, by: Change): Promise<StreamStatus>;
  /** Waits for the event; `isVerified`: it came. @throws Problem `rate-limited` */
  verify(
    name: string,
    by: Change,
    waitMs: number,
  ): Promise<{ readonly upstream: Upstream; readonly isVerified: boolean }>;
};

export function createUpstreamSteps(ports: StepPorts): UpstreamSteps {
  const { store, turns, lookAfter } = ports;

  return {
    async connect(name, by) {
      const came = await lookAfter.now(name, { ...wishOf(by), anew: true });
      if (came.kind === 'failed') throw upstreamFailed(came);
      return find(store, name);
    },
    async readStream(name) {
      const { client, endpoints, streamId } = await streamOf(ports, await find(store, name));
      return valueOf(await client.readStream(endpoints, streamId)).raw;
    },
    updateStream: (name, how, by) =>
      lookAfter.alone(name, async (turn) => {
        const { client, endpoints, streamId } = await streamOf(ports, turn.upstream);
        const wanted = await wantedOf(ports, turn.upstream);
        const { raw, eventsDelivered } = valueOf(await client[how](endpoints, streamId, wanted));
        await noteDelivered(turns, turn, { eventsDelivered }, by);
        return raw;
      }),
    async deleteStream(name, by) {
      const upstream = await find(store, name);
      await streamOf(ports, upstream);
      await store.setPaused(upstream.name, true, by);
      await lookAfter.alone(name, async (turn) => {
        const { client, endpoints, streamId } = await streamOf(ports, turn.upstream);
        const deleted = await client.deleteStream(endpoints, streamId);
        if (deleted.kind === 'failed' && deleted.status !== 404) throw upstreamFailed(deleted);
        const noted = { action: 'upstream.stream-deleted', detail: { stream_id: streamId }, change: by };
        await turns.note(turn, { binding: null, verifiedAtMs: null, streamStatus: null }, noted);
      });
    },
    async readStatus(name) {
      const upstream = await find(store, name);
      const { client, endpoints, streamId } = await streamOf(ports, upstream);
      const streamStatus = valueOf(await client.readStatus(endpoints, streamId));
      await store.note(upstream.name, { streamStatus });
      return streamStatus;
    },
    setStatus: (name, wanted, by) =>
      lookAfter.alone(name, async (turn) => {
        const { client, endpoints, streamId } = await streamOf(ports, turn.upstream);
        const streamStatus = valueOf(await client.setStatus(endpoints, streamId, wanted));
        const detail = { status: streamStatus.status };
        await turns.note(turn, { streamStatus }, { action: 'upstream.status-set', detail, change: by });
        return streamStatus;
      }),
    verify: (name, by, waitMs) => verify(ports, name, by, waitMs),
  };
}

const wishOf = ({ actor, correlationId }: Change): Wish => ({
  actor,
  ...(correlationId === undefined ? {} : { correlationId }),
});

async function find(store: Pick<UpstreamStore, 'find'>, name: string): Promise<Upstream> {
  const found = await store.find(name);
  if (found === undefined) throw noSuchUpstream();
  return found;
}

type OwnStream = {
  readonly client: TransmitterClient;
  readonly endpoints: TransmitterEndpoints;
  readonly streamId: string;
};

async function streamOf({ clientOf }: StepPorts, upstream: Upstream): Promise<OwnStream> {
  const { endpoints, streamId } = upstream.binding ?? {};
  if (endpoints === undefined || streamId === undefined) throw notConnected();
  return { client: await clientOf(upstream), endpoints, streamId };
}

async function wantedOf({ store, hubUrl }: StepPorts, upstream: Upstream): Promise<WantedStream> {
  const secrets = await store.secretsOf(upstream.name);
  if (secrets === undefined) throw noSuchUpstream();
  return wantedStream(upstream, { hubUrl: hubUrl(), pushAuthorization: secrets.pushAuthorization });
}

function valueOf<T>(called: Called<T>): T {
  if (called.kind === 'failed') throw upstreamFailed(called);
  return called.value;
}

async function noteDelivered(
  turns: StepPorts['turns'],
  turn: Turn,
  { eventsDelivered }: Pick<RemoteStream, 'eventsDelivered'>,
  change: Change,
): Promise<void> {
  const { binding } = turn.upstream;
  if (binding === undefined) return;
  const detail = { stream_id: binding.streamId ?? '' };
  const noted = { action: 'upstream.stream-updated', detail, change };
  await turns.note(turn, { binding: { ...binding, eventsDelivered } }, noted);
}

async function verify(
  { store, lookAfter, nowMs }: StepPorts,
  name: string,
  by: Change,
  waitMs: number,
): Promise<{ readonly upstream: Upstream; readonly isVerified: boolean }> {
  const untilMs = performance.now() + waitMs;
  const before = await find(store, name);
  const came = await lookAfter.now(name, { ...wishOf(by), verify: true });
  if (came.kind === 'failed') throw upstreamFailed(came);
  const { upstream, mayAskAtMs } = came.value;
  const { status = 'enabled' } = upstream.streamStatus ?? {};
  if (upstream.binding?.endpoints.verification === undefined)
    throw cannotBeAsked('its Transmitter has no verification endpoint');
  if (status !== 'enabled') throw cannotBeAsked(`its Transmitter says that the stream is ${status}`);
  const isAwaited = upstream.verification.requestedAtMs !== undefined;
  if (mayAskAtMs !== undefined && !isAwaited) throw askedTooSoon(mayAskAtMs, nowMs());
  for (;;) {
    const now = await find(store, name);
    const { requestedAtMs, verifiedAtMs } = now.verification;
    const isVerified = requestedAtMs === undefined && verifiedAtMs !== before.verification.verifiedAtMs;
    if (isVerified || performance.now() >= untilMs) return { upstream: now, isVerified };
    await delay(lookMs);
  }
}

import { coalesce } from '../core/coalesce.ts';
import type { SignedSet } from '../core/set-claims.ts';
import type { Millis, SetId, StreamId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import { createBatches } from './batches.ts';
import type { ClaimedPush, DeliveryStore, Settlement } from './delivery-ports.ts';
import { type JudgePush, latestOf } from './judge-push.ts';
import type { IsKeyServed, PushOutcome, PushSet, SignSet } from './ports.ts';

/** A node that dies while it holds a claim delays its SET for so long, and no other. */
const leaseMs = 5_000;
const keepEveryMs = 2_000;
/** Whatever a wake-up lost is found by looking. */
const lookEveryMs = 2_000;
/** A Receiver may remember our keys for their cache time: what it cannot verify before that is not dead. */
const keyPatienceMs = 10 * 60_000;
/** SETs that one node has on their way at a time, and to one stream. */
const inFlightMax = 256;
/** Kept for streams that have nothing on its way, whoever has taken all other places. */
const inFlightReserve = 256;
export const inFlightPerStreamMax = 16;

export type DelivererPorts = {
  readonly store: DeliveryStore;
  readonly sign: SignSet;
  readonly isServed: IsKeyServed;
  readonly push: PushSet;
  /** What follows from an answer, for the SET and for what is tried next at that endpoint. */
  readonly judge: JudgePush;
  /** After so many failures in a row one SET at a time is tried. */
  readonly trialFrom: number;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  /** It is tried again then; the queue's word for it. */
  readonly later: (streamId: StreamId, dueAtMs: Millis) => void;
  readonly nowMs: () => Millis;
  readonly onOutcome: (claim: ClaimedPush, outcome: PushOutcome, settlement: Settlement) => void;
  readonly onError: (error: unknown) => void;
};

export type Deliverer = {
  /** Something may be due. */
  wake(): void;
  /** Ends what is on its way; what was not answered is tried again by whoever looks next. */
  close(): Promise<void>;
};

/**
 * Pushes what is due to the Receivers that are pushed to: many streams at once and many SETs of each, those of one
 * principal one after the other. What is due is found in its row, so that nothing is lost by forgetting; nobody waits
 * for a Receiver but its own stream.
 *
 * @see RFC 8935, DESIGN §4, §11
 */
export function createDeliverer(ports: DelivererPorts): Deliverer {
  const { store, nowMs, onError } = ports;
  const stop = new AbortController();
  const held = new Map<SetId, OnItsWay>();
  const underWay = new Set<Promise<void>>();
  const storeSigned = createBatches<SignedClaim, boolean>(async (signed) => {
    const holding = await store.storeSigned(signed, nowMs());
    return ({ id }) => holding.has(id);
  }, inFlightMax);
  const settle = createBatches<Settled, void>(async (settled) => {
    await store.settle(
      settled.map(({ settlement }) => settlement),
      latestOf(settled.flatMap(({ endpoint }) => endpoint ?? [])),
      nowMs(),
    );
    return () => undefined;
  }, inFlightMax);
  let looking: Promise<void> | undefined;
  let again = false;

  function wake(): void {
    again = true;
    looking ??= look().finally(() => {
      looking = undefined;
      if (again && !stop.signal.aborted) wake();
    });
  }

  async function look(): Promise<void> {
    try {
      while (again && !stop.signal.aborted) {
        again = false;
        while (held.size < inFlightMax + inFlightReserve && (await claimSome())) continue;
      }
    } catch (error) {
      onError(error);
    }
  }

  /** @returns whether there may be more. */
  async function claimSome(): Promise<boolean> {
    const now = nowMs();
    const isFull = held.size >= inFlightMax;
    const limit = inFlightMax + (isFull ? inFlightReserve : 0) - held.size;
    const claims = await store.claimPushes({
      nowMs: now,
      untilMs: now + leaseMs,
      room: roomOf(held, isFull),
      roomMax: isFull ? 1 : inFlightPerStreamMax,
      trialFrom: ports.trialFrom,
      limit,
    });
    for (const claim of claims) {
      const ends = new AbortController();
      held.set(claim.id, { claim, ends });
      if (stop.signal.aborted) ends.abort();
      const attempt = attemptOne(claim, ends.signal).catch(onError);
      underWay.add(attempt);
      void attempt.finally(() => {
        underWay.delete(attempt);
        held.delete(claim.id);
        wake();
      });
    }
    return claims.length === limit && !stop.signal.aborted;
  }

  async function attemptOne(claim: ClaimedPush, ended: AbortSignal): Promise<void> {
    const compact = await bytesOf(claim);
    if (compact === undefined || ended.aborted) return;
    const startedAtMs = nowMs();
    const outcome = await sendOne(claim, compact, { startedAtMs, ended });
    const now = nowMs();
    const settled =
      ended.aborted && outcome.kind === 'retry'
        ? comeAgain(claim, outcome, now)
        : ports.judge(claim, outcome, { startedAtMs, nowMs: now });
    await settle(settled);
    if (settled.settlement.state === 'retry') ports.later(claim.streamId, settled.settlement.dueAtMs);
    ports.onOutcome(claim, outcome, settled.settlement);
  }

  async function sendOne(
    claim: ClaimedPush,
    compact: string,
    { startedAtMs, ended }: { readonly startedAtMs: Millis; readonly ended: AbortSignal },
  ): Promise<PushOutcome> {
    const { endpointUrl, authorization, previousErr, fault, firstSentAtMs = startedAtMs } = claim;
    if (fault !== undefined) return { kind: 'blocked', answer: { err: 'sealed', description: fault } };
    const isOverdue = startedAtMs - firstSentAtMs >= keyPatienceMs;
    return ports.push({
      endpointUrl,
      ...(authorization === undefined ? {} : { authorization }),
      compact,
      ...(previousErr === undefined || !isOverdue ? {} : { previousErr }),
      stop: ended,
    });
  }

  /**
   * The bytes that left before, or new ones. Either way they are stored before they leave: by that it shows whether
   * somebody else has claimed it meanwhile, or its stream has ended; then there is nothing to send.
   */
  async function bytesOf(claim: ClaimedPush): Promise<string | undefined> {
    const { id, fence, signed: before } = claim;
    const isGood = before !== undefined && ports.isServed(before.kid);
    const signed = isGood ? before : await ports.sign(claim.claims, claim.algorithm);
    return (await storeSigned({ id, fence, signed })) ? signed.compact : undefined;
  }

  /** What waits for a connection is not sent any more when its stream has ended, or somebody else is at it. */
  const endStopped = coalesce(async () => {
    const asked = [...held.values()];
    if (asked.length === 0) return;
    try {
      const may = await store.findMayLeave(asked.map(({ claim }) => claim));
      for (const { claim, ends } of asked) if (!may.has(claim.id)) ends.abort();
    } catch (error) {
      onError(error);
    }
  });

  const unsubscribes = [
    ports.announcer.subscribe('deliveries', wake),
    ports.announcer.subscribe('streams', () => void endStopped()),
  ];
  const looks = setInterval(wake, lookEveryMs);
  const keeps = setInterval(() => {
    const claims = [...held.values()].map(({ claim }) => claim);
    void store.keepClaims(claims, nowMs() + leaseMs).catch(onError);
    void endStopped();
  }, keepEveryMs);
  return {
    wake,
    async close() {
      for (const unsubscribe of unsubscribes) unsubscribe();
      clearInterval(looks);
      stop.abort();
      for (const { ends } of held.values()) ends.abort();
      await looking;
      await Promise.all(underWay);
      clearInterval(keeps);
    },
  };
}

type OnItsWay = { readonly claim: ClaimedPush; readonly ends: AbortController };
type SignedClaim = Pick<ClaimedPush, 'id' | 'fence'> & { readonly signed: SignedSet };
type Settled = ReturnType<JudgePush>;

/** It was ended here, not by the Receiver: nobody waits for that. */
const comeAgain = (
  { id, fence }: ClaimedPush,
  { answer }: Extract<PushOutcome, { kind: 'retry' }>,
  dueAtMs: Millis,
): Settled => ({ settlement: { id, fence, state: 'retry', answer, dueAtMs } });

/** What the streams that have something on its way may have besides. */
function roomOf(held: ReadonlyMap<SetId, OnItsWay>, isFull: boolean): ReadonlyMap<StreamId, number> {
  const room = new Map<StreamId, number>();
  for (const { claim } of held.values()) {
    const { streamId } = claim;
    room.set(streamId, isFull ? 0 : (room.get(streamId) ?? inFlightPerStreamMax) - 1);
  }
  return room;
}

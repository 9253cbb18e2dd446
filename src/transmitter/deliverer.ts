import { setMaxListeners } from 'node:events';
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
const inFlightPerStreamMax = 16;

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
  // Each push listens.
  setMaxListeners(inFlightMax + inFlightReserve + 1, stop.signal);
  const held = new Map<SetId, ClaimedPush>();
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
      held.set(claim.id, claim);
      const attempt = attemptOne(claim).catch(onError);
      underWay.add(attempt);
      void attempt.finally(() => {
        underWay.delete(attempt);
        held.delete(claim.id);
        wake();
      });
    }
    return claims.length === limit && !stop.signal.aborted;
  }

  async function attemptOne(claim: ClaimedPush): Promise<void> {
    const compact = await bytesOf(claim);
    if (compact === undefined || stop.signal.aborted) return;
    const startedAtMs = nowMs();
    const outcome = await sendOne(claim, compact, startedAtMs);
    const now = nowMs();
    const judged = ports.judge(claim, outcome, { startedAtMs, nowMs: now });
    const settled = stop.signal.aborted && outcome.kind === 'retry' ? comeAgain(claim, outcome, now) : judged;
    await settle(settled);
    if (settled.settlement.state === 'retry') ports.later(claim.streamId, settled.settlement.dueAtMs);
    ports.onOutcome(claim, outcome, settled.settlement);
  }

  async function sendOne(claim: ClaimedPush, compact: string, startedAtMs: Millis): Promise<PushOutcome> {
    const { endpointUrl, authorization, previousErr, fault, firstSentAtMs = startedAtMs } = claim;
    if (fault !== undefined) return { kind: 'blocked', answer: { err: 'sealed', description: fault } };
    const isOverdue = startedAtMs - firstSentAtMs >= keyPatienceMs;
    return ports.push({
      endpointUrl,
      ...(authorization === undefined ? {} : { authorization }),
      compact,
      ...(previousErr === undefined || !isOverdue ? {} : { previousErr }),
      stop: stop.signal,
    });
  }

  /** The bytes that left before, or new ones, stored first; nothing when somebody else has claimed it meanwhile. */
  async function bytesOf(claim: ClaimedPush): Promise<string | undefined> {
    const { id, fence, signed: before } = claim;
    if (before !== undefined && ports.isServed(before.kid)) return before.compact;
    const signed = await ports.sign(claim.claims, claim.algorithm);
    return (await storeSigned({ id, fence, signed })) ? signed.compact : undefined;
  }

  const unsubscribe = ports.announcer.subscribe('deliveries', wake);
  const looks = setInterval(wake, lookEveryMs);
  const keeps = setInterval(() => {
    void store.keepClaims([...held.values()], nowMs() + leaseMs).catch(onError);
  }, keepEveryMs);
  return {
    wake,
    async close() {
      unsubscribe();
      clearInterval(looks);
      stop.abort();
      await looking;
      await Promise.all(underWay);
      clearInterval(keeps);
    },
  };
}

type SignedClaim = Pick<ClaimedPush, 'id' | 'fence'> & { readonly signed: SignedSet };
type Settled = ReturnType<JudgePush>;

/** We stopped, not the Receiver: nobody waits for that. */
const comeAgain = (
  { id, fence }: ClaimedPush,
  { answer }: Extract<PushOutcome, { kind: 'retry' }>,
  dueAtMs: Millis,
): Settled => ({ settlement: { id, fence, state: 'retry', answer, dueAtMs } });

/** What the streams that have something on its way may have besides. */
function roomOf(held: ReadonlyMap<SetId, ClaimedPush>, isFull: boolean): ReadonlyMap<StreamId, number> {
  const room = new Map<StreamId, number>();
  for (const { streamId } of held.values()) {
    room.set(streamId, isFull ? 0 : (room.get(streamId) ?? inFlightPerStreamMax) - 1);
  }
  return room;
}

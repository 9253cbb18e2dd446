import type { SignedSet } from '../core/set-claims.ts';
import type { Millis, SetId, StreamId } from '../core/vocabulary.ts';
import type { Claim, DeliveryStore } from './delivery-ports.ts';
import type { PollWaits } from './poll-waits.ts';
import type { IsKeyServed, PushAnswer, SignSet } from './ports.ts';

/** SETs of one answer, whatever was asked for. */
export const setsPerPollMax = 100;
/** What was handed out and not acknowledged comes again after so long. */
const comesAgainAfterMs = 30_000;

export type PollAsk = {
  /** 0 acknowledges only. */
  readonly setsMax: number;
  readonly returnImmediately: boolean;
  readonly acks: readonly string[];
  readonly errors: ReadonlyMap<string, PushAnswer>;
};
export type PollAnswer = {
  readonly sets: { readonly [jti: string]: string };
  readonly moreAvailable: boolean;
};

export type PollPorts = {
  readonly store: DeliveryStore;
  readonly sign: SignSet;
  readonly isServed: IsKeyServed;
  readonly waits: Pick<PollWaits, 'begin'>;
  readonly nowMs: () => Millis;
  /** Its receiver could do nothing with it, and it does not come again. */
  readonly onDead: (streamId: StreamId, id: SetId, answer: PushAnswer | undefined) => void;
};

export type Poll = (streamId: StreamId, ask: PollAsk, stop: AbortSignal) => Promise<PollAnswer>;

const nothing: PollAnswer = { sets: {}, moreAvailable: false };

/**
 * Answers polls: acknowledgements first, whatever the stream's status; then what is pending, at once or as soon as there is
 * something.
 *
 * @see RFC 8936 §2
 */
export function createPoll(ports: PollPorts): Poll {
  const { store, nowMs } = ports;

  async function take(streamId: StreamId, limit: number): Promise<PollAnswer> {
    const now = nowMs();
    const { taken, more } = await store.takeForPoll(streamId, {
      nowMs: now,
      untilMs: now + comesAgainAfterMs,
      limit,
    });
    const signed = await Promise.all(taken.map((claim) => signedBytes(claim)));
    const fresh = signed.flatMap(({ claim, isNew, signed: set }) =>
      isNew ? [{ id: claim.id, fence: claim.fence, signed: set }] : [],
    );
    const stored = fresh.length === 0 ? new Set() : await store.storeSigned(fresh, now);
    const given = signed.filter(({ claim, isNew }) => !isNew || stored.has(claim.id));
    return {
      sets: Object.fromEntries(given.map(({ claim, signed: set }) => [claim.id, set.compact])),
      moreAvailable: more,
    };
  }

  async function signedBytes(
    claim: Claim,
  ): Promise<{ readonly claim: Claim; readonly signed: SignedSet; readonly isNew: boolean }> {
    const { signed: before } = claim;
    if (before !== undefined && ports.isServed(before.kid)) return { claim, signed: before, isNew: false };
    return { claim, signed: await ports.sign(claim.claims, claim.algorithm), isNew: true };
  }

  async function waitFor(streamId: StreamId, limit: number, stop: AbortSignal): Promise<PollAnswer> {
    // Before the first look: what comes meanwhile rings.
    const wait = ports.waits.begin(streamId, stop);
    try {
      while (!wait.isOver()) {
        const answer = await take(streamId, limit);
        if (Object.keys(answer.sets).length > 0) return answer;
        await wait.rings();
      }
      return nothing;
    } finally {
      wait.close();
    }
  }

  /** A key that was compromised is gone at once: nobody can check what was signed by it, and the SET itself is well. */
  async function withoutReplacedKeys(
    streamId: StreamId,
    errors: PollAsk['errors'],
  ): Promise<PollAsk['errors']> {
    const unchecked = [...errors].flatMap(([id, { err }]) => (err === 'invalid_key' ? [id] : []));
    if (unchecked.length === 0) return errors;
    const again = await store.giveAgain(streamId, unchecked, ports.isServed);
    return new Map([...errors].filter(([id]) => !again.has(id)));
  }

  return async (streamId, { setsMax, returnImmediately, acks, errors }, stop) => {
    if (acks.length + errors.size > 0) {
      const final = await withoutReplacedKeys(streamId, errors);
      const dead = await store.acknowledge(streamId, acks, final, nowMs());
      for (const id of dead) ports.onDead(streamId, id, errors.get(id));
    }
    if (setsMax === 0) return nothing;
    const limit = Math.min(setsMax, setsPerPollMax);
    return returnImmediately ? take(streamId, limit) : waitFor(streamId, limit, stop);
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import { isProblem, Problem } from '../core/problem.ts';
import { planRetry, retryLimits } from '../core/retry-waits.ts';
import type { Called, CallFailure, UpstreamFailure, UpstreamProgress } from './ports.ts';
import { lookOnce, type RoundDone, type RoundPorts, turnLost, type Wish } from './round.ts';
import type { Turn, UpstreamTurns } from './turn-ports.ts';
import { noSuchUpstream, upstreamBusy, upstreamPaused } from './upstream-problems.ts';

/** Longer than all calls of one round may take together. A node that died keeps its turns for so long. */
const turnMs = 3 * 60_000;
/** Rounds of one node at a time: upstreams that do not answer delay no others until there are so many. */
const roundsAtOnceMax = 16;
/** Whoever asks for a round waits so long for one that is under way. */
const busyWaitMs = 5_000;
const busyLookMs = 50;

/** A step that fails is tried again after anything up to 5 s, then up to twice as long each time. */
const roundRetry = {
  ...retryLimits,
  firstWaitMsMax: 5_000,
  waitMsMin: 1_000,
  waitMsMax: 15 * 60_000,
  attemptsMax: Number.POSITIVE_INFINITY,
  ageMsMax: Number.POSITIVE_INFINITY,
};

export type LookAfterPorts = RoundPorts & {
  readonly turns: UpstreamTurns;
  /** From 0 up to 1. */
  readonly chance: () => number;
  readonly onError: (error: unknown) => void;
  /** A step failed, or nothing came. */
  readonly onFailure: (name: string, failure: UpstreamFailure) => void;
};

export type LookAfter = {
  /** Looks after all that are due, in the background. */
  wake(): void;
  /**
   * Looks after this one now, and answers what came of it.
   *
   * @throws Problem `not-found`; `conflict` when it is paused, or somebody else does it for long.
   */
  now(name: string, wish: Wish): Promise<Called<RoundDone>>;
  /** Has its turn while `work` runs: nobody looks after it meanwhile. @throws as `now` does, but not for paused ones. */
  alone<T>(name: string, work: (turn: Turn) => Promise<T>): Promise<T>;
  /** Takes no more turns, and waits for the rounds that are under way. */
  close(): Promise<void>;
};

/**
 * Connects upstreams, keeps them connected, and notices when nothing comes. One node at a time does it for each; nothing
 * of it is in memory only.
 */
export function createLookAfter(ports: LookAfterPorts): LookAfter {
  const { turns, nowMs } = ports;
  const running = new Set<Promise<void>>();
  let closed = false;

  const run = (work: () => Promise<void>): void => {
    const one = work()
      .catch((error: unknown) => {
        if (error !== turnLost && !closed) ports.onError(error);
      })
      .finally(() => running.delete(one));
    running.add(one);
  };

  /** One after the other, until none is due; while it has a turn, another one looks for more. */
  async function takeTurns(): Promise<void> {
    while (!closed) {
      const turn = await turns.takeDue({ nowMs: nowMs(), untilMs: nowMs() + turnMs });
      if (turn === undefined) return;
      wake();
      await round(turn, { actor: 'hub' });
    }
  }

  function wake(): void {
    if (!closed && running.size < roundsAtOnceMax) run(takeTurns);
  }

  async function round(turn: Turn, wish: Wish): Promise<Called<RoundDone>> {
    const came = await attempt(ports, turn, wish);
    // What a shutdown cut off says nothing about the Transmitter.
    await turns.end(turn, closed && came.kind === 'failed' ? {} : conclude(turn, came));
    return came;
  }

  function conclude({ upstream }: Turn, came: Called<RoundDone>): UpstreamProgress {
    if (came.kind === 'failed') {
      const { failure, waitMs } = failureOf(ports, upstream.failure, came);
      ports.onFailure(upstream.name, failure);
      return { failure, dueAtMs: failure.atMs + waitMs };
    }
    const { silence, nextAtMs } = came.value;
    if (silence !== undefined) ports.onFailure(upstream.name, silence);
    const isOver = upstream.failure !== undefined && isOfRounds(upstream.failure);
    return {
      dueAtMs: nextAtMs,
      ...(silence === undefined ? (isOver ? { failure: null } : {}) : { failure: silence }),
    };
  }

  async function takeSoon(name: string): Promise<Turn> {
    for (let waitedMs = 0; !closed; waitedMs += busyLookMs) {
      const turn = await turns.take(name, { nowMs: nowMs(), untilMs: nowMs() + turnMs });
      if (turn === undefined) throw noSuchUpstream();
      if (turn !== 'busy') return turn;
      if (waitedMs >= busyWaitMs) throw upstreamBusy();
      await delay(busyLookMs);
    }
    throw new Problem('shutting-down', 'The hub is shutting down.');
  }

  return {
    wake,
    async now(name, wish) {
      const turn = await takeSoon(name);
      if (!turn.upstream.paused) return orLost(round(turn, wish));
      await turns.end(turn, {});
      throw upstreamPaused();
    },
    async alone(name, work) {
      const turn = await takeSoon(name);
      try {
        return await orLost(work(turn));
      } finally {
        await turns.end(turn, {});
      }
    },
    async close() {
      closed = true;
      await Promise.all(running);
    },
  };
}

/** A round whose secrets do not open fails like one whose credentials are refused. */
async function attempt(ports: LookAfterPorts, turn: Turn, wish: Wish): Promise<Called<RoundDone>> {
  try {
    return await lookOnce(ports, turn, wish);
  } catch (error) {
    if (!isProblem(error) || error.code !== 'invalid-configuration') throw error;
    return { kind: 'failed', step: 'authorize', text: error.message };
  }
}

function failureOf(
  { nowMs, chance }: Pick<LookAfterPorts, 'nowMs' | 'chance'>,
  before: UpstreamFailure | undefined,
  { step, text, retryAfterSeconds = 0 }: CallFailure,
): { readonly failure: UpstreamFailure; readonly waitMs: number } {
  const attempts = (before !== undefined && before.isSilence !== true ? (before.attempts ?? 0) : 0) + 1;
  const retryAfterMs = retryAfterSeconds * 1_000;
  const plan = planRetry({ attempts, ageMs: 0, retryAfterMs, chance: chance() }, roundRetry);
  const waitMs = plan.kind === 'wait' ? plan.waitMs : roundRetry.waitMsMax;
  return { failure: { atMs: nowMs(), step, text, attempts }, waitMs };
}

/** What polls say of themselves, and the silence that a verification event ends, are not for a round to take back. */
const isOfRounds = ({ step, isSilence }: UpstreamFailure): boolean => isSilence !== true && step !== 'poll';

/** Whoever has the turn by now, or removed it, was faster. */
const orLost = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw error === turnLost ? upstreamBusy() : error;
  });

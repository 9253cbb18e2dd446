import { describe, expect, it } from 'vitest';
import { breakerLimits } from '../../src/core/circuit-breaker.ts';
import { retryLimits } from '../../src/core/retry-waits.ts';
import { setId, streamId } from '../../src/core/vocabulary.ts';
import type { ClaimedPush, EndpointState } from '../../src/transmitter/delivery-ports.ts';
import { createJudgePush, latestOf } from '../../src/transmitter/judge-push.ts';
import type { PushOutcome } from '../../src/transmitter/ports.ts';

const startMs = 1_763_764_000_000;
const dayMs = 24 * 60 * 60_000;
const unavailable: PushOutcome = { kind: 'retry', answer: { status: 503 } };
const refused: PushOutcome = { kind: 'blocked', answer: { status: 403 } };
const taken: PushOutcome = { kind: 'delivered', status: 202 };

/** One stream and the SETs on it, as their rows would have it; the random part of each wait is a half. */
function aStream() {
  const judge = createJudgePush({ chance: () => 0.5 });
  const sets = new Map<string, { attempts: number; firstSentAtMs: number; dueAtMs: number; state: string }>();
  const stream = {
    failuresInRow: 0,
    blockedUntilMs: 0,
    isBack: false,
    trying: { sinceMs: 0, lastAtMs: 0 },
  } as Omit<EndpointState, 'streamId'>;
  return {
    stream,
    /** @returns the row afterwards. */
    attempt(id: string, outcome: PushOutcome, nowMs: number) {
      const row = sets.get(id) ?? { attempts: 0, firstSentAtMs: nowMs, dueAtMs: nowMs, state: 'pending' };
      sets.set(id, row);
      row.attempts += 1;
      const claim: ClaimedPush = {
        id: setId(id),
        streamId: streamId('str_1'),
        claims: {} as ClaimedPush['claims'],
        algorithm: 'RS256',
        createdAtMs: startMs,
        fence: row.attempts,
        endpointUrl: 'https://receiver.example/events',
        attempts: row.attempts,
        firstSentAtMs: row.firstSentAtMs,
        failuresInRow: stream.failuresInRow,
        trying: stream.trying,
      };
      const { settlement, endpoint } = judge(claim, outcome, { startedAtMs: nowMs, nowMs });
      row.state = settlement.state;
      if (settlement.state === 'retry') row.dueAtMs = settlement.dueAtMs;
      Object.assign(stream, endpoint);
      return row;
    },
  };
}

/** The same again and again, each time as soon as it may be, until it is no longer retried. */
function untilDead(
  { stream, attempt }: ReturnType<typeof aStream>,
  outcome: PushOutcome,
  { fromMs }: { readonly fromMs: number },
): number {
  for (let nowMs = fromMs; ; ) {
    const { state, dueAtMs } = attempt('set_1', outcome, nowMs);
    if (state === 'dead') return nowMs;
    nowMs = Math.max(dueAtMs, stream.blockedUntilMs);
  }
}

describe('PUSH-21: a SET is given up when its Receiver was tried for a day', () => {
  it.each([
    ['is not there', unavailable],
    ['refuses it', refused],
  ])('that %s', (_name, outcome) => {
    const triedMs = untilDead(aStream(), outcome, { fromMs: startMs }) - startMs;
    expect(triedMs).toBeGreaterThanOrEqual(dayMs);
    expect(triedMs).toBeLessThan(dayMs + retryLimits.waitMsMax + breakerLimits.blockMsMax);
  });

  it('a pause of the stream, or an outage of our own, is not counted', () => {
    const one = aStream();
    one.attempt('set_1', unavailable, startMs);
    one.attempt('set_1', unavailable, startMs + 2_000);
    const resumedMs = startMs + 2 * dayMs;
    expect(one.attempt('set_1', unavailable, resumedMs).state).toBe('retry');
    const deadMs = untilDead(one, unavailable, { fromMs: resumedMs + 5_000 });
    expect(deadMs - resumedMs).toBeGreaterThanOrEqual(dayMs);
  });

  it('others that are taken meanwhile give it no more time', () => {
    const one = aStream();
    for (let nowMs = startMs, n = 0; ; n += 1) {
      const { state, dueAtMs } = one.attempt('set_1', unavailable, nowMs);
      if (state === 'dead') {
        expect(nowMs - startMs).toBeLessThan(dayMs + retryLimits.waitMsMax);
        return;
      }
      one.attempt(`other_${n}`, taken, nowMs + 1);
      nowMs = dueAtMs;
    }
  });
});

describe('RFC 8935 §2.4: credentials that do not work', () => {
  it('are tried again soon, with each SET that they do not work for half as often, down to once in 5 min', () => {
    const { stream, attempt } = aStream();
    const blocksMs: number[] = [];
    for (let n = 0, nowMs = startMs; n < 12; n += 1, nowMs = stream.blockedUntilMs) {
      attempt(`set_${n}`, refused, nowMs);
      blocksMs.push(stream.blockedUntilMs - nowMs);
    }
    expect([blocksMs[0], blocksMs[1], blocksMs.at(-1)]).toEqual([1_000, 2_000, 300_000]);
    expect(stream.failuresInRow).toBeGreaterThanOrEqual(breakerLimits.failuresMax);
  });

  it('a SET that is refused for hours makes no other wait longer than a second', () => {
    const { stream, attempt } = aStream();
    for (let nowMs = startMs; nowMs < startMs + 6 * 60 * 60_000; ) {
      const { dueAtMs } = attempt('odd', refused, nowMs);
      expect(stream.blockedUntilMs - nowMs).toBeLessThanOrEqual(breakerLimits.firstBlockMs);
      nowMs = Math.max(dueAtMs, stream.blockedUntilMs);
    }
  });

  it('that work for another SET hold nothing up: the one that is refused goes by its own plan', () => {
    const { stream, attempt } = aStream();
    attempt('odd', refused, startMs);
    attempt('kill', taken, stream.blockedUntilMs);
    expect(stream).toMatchObject({ failuresInRow: 0, isBack: true });
    const waitsMs: number[] = [];
    for (let nowMs = startMs + 2_000, n = 0; n < 12; n += 1) {
      const { dueAtMs, state } = attempt('odd', refused, nowMs);
      expect(state).toBe('retry');
      expect(stream.blockedUntilMs).toBeLessThanOrEqual(nowMs);
      expect(stream.isBack).toBe(false);
      attempt(`next_${n}`, taken, nowMs + 1);
      waitsMs.push(dueAtMs - nowMs);
      nowMs = dueAtMs;
    }
    expect(waitsMs.slice(0, 3)).toEqual([2_000, 4_000, 8_000]);
    expect(waitsMs.at(-1)).toBe(300_000);
  });
});

it('an answer to what was on its way already ends the block that others opened, for every node', () => {
  const judge = createJudgePush({ chance: () => 0.5 });
  const claim = { streamId: streamId('str_1'), attempts: 1, failuresInRow: 0, fence: 1 } as ClaimedPush;
  const trying = { sinceMs: 0, lastAtMs: 0 };
  const times = { startedAtMs: startMs, nowMs: startMs + 1 };
  const opened = judge({ ...claim, id: setId('a'), trying }, refused, times);
  expect(opened.endpoint).toMatchObject({ failuresInRow: 5 });
  const closed = judge({ ...claim, id: setId('b'), trying }, taken, times);
  expect(closed.endpoint).toMatchObject({ failuresInRow: 0, blockedUntilMs: 0, isBack: true });
});

it('what is taken where nothing was amiss says nothing new', () => {
  const judge = createJudgePush({ chance: () => 0.5 });
  const claim = { id: setId('a'), streamId: streamId('str_1'), attempts: 1, failuresInRow: 0, fence: 1 };
  const trying = { sinceMs: 0, lastAtMs: 0 };
  const judged = judge({ ...claim, trying } as ClaimedPush, taken, { startedAtMs: startMs, nowMs: startMs });
  expect(judged).toEqual({ settlement: { id: 'a', fence: 1, state: 'delivered' } });
});

it('of what one stream met in one go the last counts, and that it came back', () => {
  const state = (id: string, failuresInRow: number, isBack = false): EndpointState => ({
    ...{ streamId: streamId(id), failuresInRow, isBack },
    ...{ blockedUntilMs: 0, trying: { sinceMs: 0, lastAtMs: 0 } },
  });
  const inOrder = [state('a', 5), state('b', 5), state('a', 0, true), state('a', 1)];
  expect(latestOf(inOrder)).toEqual([state('a', 1, true), state('b', 5)]);
});

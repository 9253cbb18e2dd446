import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { streamId } from '../../src/core/vocabulary.ts';
import { createPollWaits, type PollWaits } from '../../src/transmitter/poll-waits.ts';

const stream = streamId('str_1');
let asked: number;
let waits: PollWaits;
beforeEach(() => {
  vi.useFakeTimers();
  asked = 0;
  waits = createPollWaits({
    async findToTake() {
      asked += 1;
      return new Set();
    },
    announcer: { subscribe: () => () => undefined },
    nowMs: () => 0,
    onError: () => undefined,
  });
});
afterEach(() => {
  waits.close();
  vi.useRealTimers();
});

it.each([
  ['a newer poll of the same stream', () => void waits.begin(stream, new AbortController().signal)],
  ['25 s', () => vi.advanceTimersByTime(25_000)],
  ['whoever asked going away', (stop: AbortController) => stop.abort()],
  ['the end of the node', () => waits.close()],
])('RFC 8936 §2: a wait is ended by %s', async (_, end) => {
  const stop = new AbortController();
  const wait = waits.begin(stream, stop.signal);
  const other = waits.begin(streamId('str_2'), new AbortController().signal);
  vi.advanceTimersByTime(0);
  const rang = wait.rings();
  expect(wait.isOver()).toBe(false);
  end(stop);
  await rang;
  expect(wait.isOver()).toBe(true);
  other.close();
});

it('whoever comes when it is over already does not wait', async () => {
  const wait = waits.begin(stream, AbortSignal.abort());
  await wait.rings();
  expect(wait.isOver()).toBe(true);
});

it('nobody is looked for when nobody waits', async () => {
  waits.begin(stream, new AbortController().signal).close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(0);
  waits.begin(stream, new AbortController().signal);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked).toBe(1);
});

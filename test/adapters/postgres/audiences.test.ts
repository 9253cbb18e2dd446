import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { followAudiences } from '../../../src/adapters/postgres/audiences.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

it('changes of streams are read beside the signals: at the start, once for many announcements, and now and then unasked', async () => {
  let announce = () => {};
  let reads = 0;
  const failures: unknown[] = [];
  const following = followAudiences({
    read: async () => {
      reads += 1;
      if (reads === 2) throw new Error('down');
    },
    announcer: {
      subscribe(topic, listener) {
        expect(topic).toBe('streams');
        announce = listener;
        return () => {
          announce = () => {};
        };
      },
    },
    onError: (cause) => failures.push(cause),
  });
  const looks = async () => {
    const before = reads;
    await vi.advanceTimersByTimeAsync(1_000);
    return reads - before;
  };
  expect(await looks()).toBe(1);
  for (let change = 0; change < 100; change += 1) announce();
  expect(await looks()).toBe(1);
  expect(failures).toHaveLength(1);
  expect(await looks()).toBe(0);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(reads).toBeGreaterThan(2);
  following.close();
  announce();
  expect(await looks()).toBe(0);
});

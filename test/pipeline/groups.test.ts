import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../src/core/problem.ts';
import { deferred } from '../support/deferred.ts';
import { createGroups, type Settled, TooMuchForOneGroup } from '../../src/pipeline/groups.ts';

type Item = {
  readonly n: number;
  readonly keys?: readonly string[];
  readonly weight?: number;
  readonly isAlone?: boolean;
};

/** Runs what `fate` says of each group, one event-loop turn later. */
function observed(fate: (group: readonly Item[]) => readonly Settled<number>[]) {
  const groups: (readonly Item[])[] = [];
  let running = 0;
  const add = createGroups<Item, number>(
    {
      async run(group) {
        expect(++running).toBe(1);
        groups.push(group);
        await new Promise(setImmediate);
        running--;
        return fate(group);
      },
      keysOf: ({ keys = [] }) => keys,
      isAlone: ({ isAlone = false }) => isAlone,
      weightOf: ({ weight = 1 }) => weight,
    },
    { itemsMax: 4, weightMax: 100 },
  );
  return { groups, add, sizes: () => groups.map((group) => group.length) };
}

const done = (group: readonly Item[]): readonly Settled<number>[] =>
  group.map(({ n }) => ({ kind: 'done', result: n }));
const items = (count: number): Item[] => Array.from({ length: count }, (_, n) => ({ n }));

describe('DESIGN §5: signals that arrive while a transaction is under way share the next', () => {
  it('those of one turn of the event loop run together, up to the most', async () => {
    const { add, sizes } = observed(done);
    expect(await Promise.all(items(10).map(add))).toEqual(items(10).map(({ n }) => n));
    expect(sizes()).toEqual([4, 4, 2]);
  });

  it('what comes while one runs is the next, all of it', async () => {
    const { add, groups } = observed(done);
    const first = add({ n: 0 });
    await new Promise(setImmediate);
    expect(groups).toHaveLength(1);
    await Promise.all([first, ...items(3).map(({ n }) => add({ n: n + 1 }))]);
    expect(groups.map((group) => group.map(({ n }) => n))).toEqual([[0], [1, 2, 3]]);
  });

  it('those of a group are answered while the next is under way', async () => {
    const begun: number[] = [];
    const answered: number[] = [];
    const gates = [deferred(), deferred(), deferred()];
    const add = createGroups<Item, number>(
      {
        async run(group) {
          begun.push(...group.map(({ n }) => n));
          await gates[begun.length / 2 - 1]?.promise;
          return done(group);
        },
        keysOf: () => [],
        isAlone: () => false,
        weightOf: () => 1,
      },
      { itemsMax: 2, weightMax: 100 },
    );
    const all = items(6).map(async (item) => answered.push(await add(item)));
    for (const [nth, gate] of gates.entries()) {
      gate.resolve();
      await expect.poll(() => answered).toEqual(items(2 * (nth + 1)).map(({ n }) => n));
      expect(begun).toHaveLength(Math.min(2 * (nth + 2), 6));
    }
    await Promise.all(all);
  });

  it('a group ends where it is heavy enough', async () => {
    const { add, sizes } = observed(done);
    await Promise.all(items(5).map(({ n }) => add({ n, weight: 60 })));
    expect(sizes()).toEqual([2, 2, 1]);
  });

  it('what changes what others are decided by is a group of its own, in its place', async () => {
    const { add, groups } = observed(done);
    await Promise.all(items(7).map(({ n }) => add({ n, isAlone: n === 3 || n === 4 })));
    expect(groups.map((group) => group.map(({ n }) => n))).toEqual([[0, 1, 2], [3], [4], [5, 6]]);
  });

  it('what shares a key never shares a group, and keeps its order; nobody is lost or run twice', async () => {
    const keyed = fc.array(
      fc.record({ keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }) }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(keyed, async (parts) => {
        const { add, groups } = observed(done);
        const all = parts.map(({ keys }, n) => ({ n, keys }));
        expect(await Promise.all(all.map(add))).toEqual(all.map(({ n }) => n));
        const order = groups.flat();
        expect(order.map(({ n }) => n).sort((a, b) => a - b)).toEqual(all.map(({ n }) => n));
        for (const key of ['a', 'b', 'c']) {
          const holders = order.filter(({ keys = [] }) => keys.includes(key)).map(({ n }) => n);
          expect(holders).toEqual(holders.toSorted((a, b) => a - b));
          for (const group of groups) {
            expect(group.filter(({ keys = [] }) => keys.includes(key)).length).toBeLessThanOrEqual(1);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('DESIGN §5: a group that fails is retried one by one', () => {
  it('only what cannot be run fails', async () => {
    const { add, sizes } = observed((group) => {
      if (group.some(({ n }) => n === 3)) throw new Error('unstorable');
      return done(group);
    });
    const settled = await Promise.allSettled(items(6).map(add));
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(sizes()).toEqual([4, 1, 1, 1, 1, 2]);
  });

  it('what is refused by itself leaves the others as they are', async () => {
    const refusal = new Problem('unknown-agent', 'nobody');
    const { add, sizes } = observed((group) =>
      group.map(({ n }) => (n === 2 ? { kind: 'refused', error: refusal } : { kind: 'done', result: n })),
    );
    const settled = await Promise.allSettled(items(4).map(add));
    expect(settled[2]).toEqual({ status: 'rejected', reason: refusal });
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(sizes()).toEqual([4]);
  });

  it('when the storage is gone all that wait fail at once, and the next try is a new one', async () => {
    let gone = true;
    const { add, sizes } = observed((group) => {
      if (gone) throw new Problem('storage-unavailable', 'gone');
      return done(group);
    });
    const settled = await Promise.allSettled(items(50).map(add));
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    expect(sizes()).toEqual([4]);
    gone = false;
    expect(await add({ n: 9 })).toBe(9);
  });

  it('when the storage goes while a group is run one by one, the rest of it is not tried', async () => {
    const { add, sizes } = observed((group) => {
      if (group.length > 1) throw new Error('one of them cannot be stored');
      if (group[0]?.n === 2) throw new Problem('storage-unavailable', 'gone');
      return done(group);
    });
    const settled = await Promise.allSettled(items(20).map(add));
    expect(settled.map(({ status }) => status === 'fulfilled').filter(Boolean)).toHaveLength(2);
    expect(sizes()).toEqual([4, 1, 1, 1]);
  });

  it('a group that is too slow is run again in halves, once, and costs nobody outside of a slow half', async () => {
    const { add, sizes } = observed((group) => {
      if (group.some(({ n }) => n === 1)) throw new Problem('storage-timeout', 'slow');
      return done(group);
    });
    const settled = await Promise.allSettled(items(9).map(add));
    const refused = settled.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []));
    expect(refused).toEqual([0, 1]);
    expect(sizes()).toEqual([4, 2, 2, 4, 1]);
  });

  it('when one after the other is too slow, all that wait fail, and the next try is a new one', async () => {
    let slow = true;
    const { add, sizes } = observed((group) => {
      if (slow) throw new Problem('storage-timeout', 'slow');
      return done(group);
    });
    const settled = await Promise.allSettled(items(50).map(add));
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    expect(sizes()).toEqual([4, 2, 2]);
    slow = false;
    expect(await Promise.all(items(5).map(add))).toHaveLength(5);
    expect(sizes()).toEqual([4, 2, 2, 4, 1]);
  });

  it('a group that is too much is taken apart until its parts fit', async () => {
    const { add, sizes } = observed((group) => {
      if (group.length > 1 && group.some(({ n }) => n === 1)) throw new TooMuchForOneGroup();
      return done(group);
    });
    expect(await Promise.all(items(5).map(add))).toEqual([0, 1, 2, 3, 4]);
    expect(sizes()).toEqual([4, 2, 1, 1, 2, 1]);
  });
});

it('more than may wait are sent away, and none of those that wait is lost', async () => {
  const { add } = observed(done);
  const settled = await Promise.allSettled(items(10_010).map(add));
  const refused = settled.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(10);
  expect(refused[0]).toMatchObject({ reason: { code: 'rate-limited' } });
});

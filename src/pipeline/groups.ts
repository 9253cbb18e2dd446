import { isProblem, Problem } from '../core/problem.ts';

/** More do not wait: who is sent away knows it, who waits too long does not. */
const waitingMax = 10_000;
/** So many in a row, and the database is as good as gone: nobody behind them is kept waiting for the next. */
const timeoutsMax = 3;

export type GroupLimits = { readonly itemsMax: number; readonly weightMax: number };

/** How one item of a group went. */
export type Settled<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  | { readonly kind: 'refused'; readonly error: unknown };

export type GroupWork<Item, Result> = {
  /** All or nothing for the group, but for items that are refused each by itself. In the order given. */
  run(group: readonly Item[]): Promise<readonly Settled<Result>[]>;
  /** Items that share one are not of the same group, and keep their order: the later one needs what the earlier did. */
  keysOf(item: Item): readonly string[];
  /** It changes what every other is decided by: a group of its own, after all that came before. */
  isAlone(item: Item): boolean;
  weightOf(item: Item): number;
};

/** Thrown by `run`: together the items are too much, though each by itself may fit. */
export class TooMuchForOneGroup extends Error {}

type Waiting<Item, Result> = {
  readonly item: Item;
  readonly keys: readonly string[];
  readonly isAlone: boolean;
  resolve(result: Result): void;
  reject(reason: unknown): void;
};

/**
 * Runs items in groups, one group at a time: what arrives while one runs is the next, and so is what arrives in the same
 * turn of the event loop while none does. There is no timer; alone, an item runs at the end of its turn. A group that
 * fails is run again one by one, so that an item that cannot be run fails alone. One that is too slow is run again in
 * halves, once, and one that is too much as often as it takes. When the storage is gone, all that wait fail at once:
 * nothing of them was accepted.
 *
 * Items are settled in the order of their groups, those of one group when the next is under way: the storage works while
 * they are answered.
 */
export function createGroups<Item, Result>(
  work: GroupWork<Item, Result>,
  limits: GroupLimits,
): (item: Item) => Promise<Result> {
  type Member = Waiting<Item, Result>;
  let waiting: Member[] = [];
  /** Of a group that failed; they go before all that wait. */
  let parts: (readonly Member[])[] = [];
  let timeoutsInRow = 0;
  let running = false;
  /** Of the group before, which nobody has been told of yet. */
  let unsettled: readonly (() => void)[] = [];

  async function runAll(): Promise<void> {
    while (parts.length + waiting.length > 0) {
      const part = parts.shift();
      const underWay = runGroup(part ?? takeGroup(), part !== undefined);
      // By then the first statements of this group are sent.
      if (unsettled.length > 0) setImmediate(settleNow);
      await underWay;
    }
    running = false;
    settleNow();
  }

  function settleLater(those: readonly (() => void)[]): void {
    settleNow();
    unsettled = those;
  }

  function settleNow(): void {
    const those = unsettled;
    unsettled = [];
    for (const settleOne of those) settleOne();
  }

  function takeGroup(): readonly Member[] {
    const group: Member[] = [];
    const later: Member[] = [];
    const keys = new Set<string>();
    let weight = 0;
    for (const [index, next] of waiting.entries()) {
      const [first] = group;
      const isApart = first !== undefined && (first.isAlone || next.isAlone);
      if (isApart || group.length >= limits.itemsMax || weight >= limits.weightMax) {
        waiting = later.concat(waiting.slice(index));
        return group;
      }
      const isFree = !next.keys.some((key) => keys.has(key));
      for (const key of next.keys) keys.add(key);
      if (isFree) weight += work.weightOf(next.item);
      (isFree ? group : later).push(next);
    }
    waiting = later;
    return group;
  }

  async function runGroup(group: readonly Member[], isPart: boolean): Promise<void> {
    try {
      const results = await work.run(group.map(({ item }) => item));
      timeoutsInRow = 0;
      settleLater(group.map((member, index) => () => settle(member, results[index])));
    } catch (error) {
      const code = isProblem(error) ? error.code : undefined;
      timeoutsInRow = code === 'storage-timeout' ? timeoutsInRow + 1 : 0;
      if (code === 'storage-unavailable' || timeoutsInRow === timeoutsMax) refuseAll(group, error);
      else if (group.length === 1 || (timeoutsInRow > 0 && isPart))
        settleLater(
          group.map(
            ({ reject }) =>
              () =>
                reject(error),
          ),
        );
      else if (timeoutsInRow > 0 || error instanceof TooMuchForOneGroup) parts.unshift(...halvesOf(group));
      else parts.unshift(...group.map((member) => [member]));
    }
  }

  function refuseAll(group: readonly Member[], error: unknown): void {
    const all = [...group, ...parts.flat(), ...waiting];
    [parts, waiting, timeoutsInRow] = [[], [], 0];
    settleLater(
      all.map(
        ({ reject }) =>
          () =>
            reject(error),
      ),
    );
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= waitingMax) return reject(tooMany());
      waiting.push({ item, keys: work.keysOf(item), isAlone: work.isAlone(item), resolve, reject });
      if (running) return;
      running = true;
      setImmediate(() => void runAll());
    });
}

function settle<Item, Result>(member: Waiting<Item, Result>, settled: Settled<Result> | undefined): void {
  if (settled?.kind === 'done') member.resolve(settled.result);
  else member.reject(settled?.error ?? new Error('a group did not settle one of its items'));
}

function halvesOf<Member>(group: readonly Member[]): readonly (readonly Member[])[] {
  const middle = Math.ceil(group.length / 2);
  return [group.slice(0, middle), group.slice(middle)];
}

const tooMany = (): Problem =>
  new Problem('rate-limited', `${waitingMax} signals wait already.`, {
    hint: 'Send it again in a moment: nothing was accepted.',
  });

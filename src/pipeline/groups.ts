import { isProblem, Problem } from '../core/problem.ts';

/** More do not wait: who is sent away knows it, who waits too long does not. */
const waitingMax = 10_000;

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
  weightOf(item: Item): number;
};

type Waiting<Item, Result> = {
  readonly item: Item;
  readonly keys: readonly string[];
  resolve(result: Result): void;
  reject(reason: unknown): void;
};

/**
 * Runs items in groups, one group at a time: what arrives while one runs is the next. There is no timer; alone, an item
 * runs at once. A group that fails is run again one by one, so that an item that cannot be run fails alone; when the
 * storage is gone all of them fail at once.
 */
export function createGroups<Item, Result>(
  work: GroupWork<Item, Result>,
  limits: GroupLimits,
): (item: Item) => Promise<Result> {
  let waiting: Waiting<Item, Result>[] = [];
  let running = false;

  async function runAll(): Promise<void> {
    if (running) return;
    running = true;
    while (waiting.length > 0) await runGroup(takeGroup());
    running = false;
  }

  function takeGroup(): readonly Waiting<Item, Result>[] {
    const group: Waiting<Item, Result>[] = [];
    const later: Waiting<Item, Result>[] = [];
    const keys = new Set<string>();
    let weight = 0;
    for (const [index, next] of waiting.entries()) {
      if (group.length >= limits.itemsMax || weight >= limits.weightMax) {
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

  async function runGroup(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await work.run(group.map(({ item }) => item));
      for (const [index, member] of group.entries()) settle(member, results[index]);
    } catch (error) {
      const isHopeless = isProblem(error) && error.code === 'storage-unavailable';
      if (isHopeless || group.length === 1) for (const { reject } of group) reject(error);
      else for (const member of group) await runGroup([member]);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= waitingMax) return reject(tooMany());
      waiting.push({ item, keys: work.keysOf(item), resolve, reject });
      void runAll();
    });
}

function settle<Item, Result>(member: Waiting<Item, Result>, settled: Settled<Result> | undefined): void {
  if (settled?.kind === 'done') member.resolve(settled.result);
  else member.reject(settled?.error ?? new Error('a group did not settle one of its items'));
}

const tooMany = (): Problem =>
  new Problem('rate-limited', `${waitingMax} signals wait already.`, {
    hint: 'Send it again in a moment: nothing was accepted.',
  });

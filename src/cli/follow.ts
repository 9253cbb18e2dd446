import { setTimeout as sleep } from 'node:timers/promises';
import { isCliProblem } from './cli-problem.ts';
import { exitCodes } from './exit-codes.ts';
import type { Hub, Query } from './hub.ts';

/** What following works with. */
export type Following = {
  readonly hub: Hub;
  readonly stop: AbortSignal;
  readonly nowMs: () => number;
  readonly note: (line: string) => void;
  /** Resolves when there may be something new, when it is time to end, and after so long. */
  readonly moved: (atMostMs: number) => Promise<void>;
};

/** What is kept while the hub is away. */
export type Memory = {
  /** Where a stream goes on. */
  cursor?: string | undefined;
  /** Of a list: when each id was first seen, in this order; absent until the first look, which tells nothing. */
  seen?: Map<string, number>;
  /** Of a list: what is below was there before. */
  floor?: string;
  /** The last attempt got an answer. */
  answered?: boolean;
};

/** A list, newest first. */
export type Listing<Item> = {
  readonly path: string;
  readonly query?: Query;
  readonly idOf: (item: Item) => string;
  readonly tell: (item: Item) => void;
  /** The command that has them all, for when more came than one look takes. */
  readonly listedBy: string;
};

const waitMinMs = 500;
const waitMaxMs = 10_000;
/** Looks are this far apart when nothing says that there is something new. */
const lookEveryMs = 1_000;
const pageItems = 50;
/** Of one look. */
const itemsMax = 1_000;
/** More than two looks take. */
const seenMax = 4_000;
/** Ids are given when a row is written and seen when it is committed: within this time lower ones may still come. */
const lateMs = 3_000;

/**
 * Does `part` again whenever its connection ended, with growing waits while the hub is away. Resolves at `stop`.
 *
 * @throws CliProblem for whatever waiting does not mend.
 */
export async function keepUp(
  what: string,
  part: (memory: Memory) => Promise<void>,
  { stop, note }: Pick<Following, 'stop' | 'note'>,
): Promise<void> {
  const memory: Memory = {};
  let waitMs = waitMinMs;
  while (!stop.aborted) {
    memory.answered = false;
    try {
      await part(memory);
    } catch (error) {
      if (stop.aborted) return;
      const problem = isCliProblem(error) ? error : undefined;
      if (problem !== undefined && problem.exitCode !== exitCodes.unreachable) throw problem;
      note(`${problem?.message ?? 'The connection broke.'} Looking for the ${what} again.`);
    }
    waitMs = memory.answered ? waitMinMs : Math.min(waitMs * 2, waitMaxMs);
    await pause(waitMs * (0.5 + Math.random() / 2), stop);
  }
}

export const pause = (ms: number, stop: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal: stop }).catch(() => undefined);

/** Tells what a list has that it had not before, oldest first, each once, until `stop`; and says when some were left out. */
export async function poll<Item>(
  following: Following,
  memory: Memory,
  listing: Listing<Item>,
): Promise<void> {
  const { stop, note, moved } = following;
  while (!stop.aborted) {
    const { news, isWhole } = await look(following, memory, listing);
    if (!isWhole) {
      note(
        `More than ${itemsMax} came at once: the oldest of them are not shown. \`${listing.listedBy}\` has them.`,
      );
    }
    for (const item of news) listing.tell(item);
    await moved(lookEveryMs);
  }
}

/** Reads on until it comes to what was there long enough for nothing to come below it. A look that breaks off changes nothing. */
async function look<Item>(
  { hub, nowMs }: Following,
  memory: Memory,
  { path, query = {}, idOf }: Listing<Item>,
): Promise<{ readonly news: readonly Item[]; readonly isWhole: boolean }> {
  const { seen, floor } = memory;
  const settledMs = nowMs() - lateMs;
  const items: Item[] = [];
  let cursor: string | undefined;
  let isOver = false;
  do {
    const page = await hub.list<Item>(path, { ...query, cursor }, pageItems);
    memory.answered = true;
    const ids = page.items.map(idOf);
    const end = floor === undefined ? -1 : ids.indexOf(floor);
    items.push(...page.items.slice(0, end < 0 ? pageItems : end));
    cursor = page.next_cursor ?? undefined;
    const isSettled = ids.some((id) => (seen?.get(id) ?? Number.POSITIVE_INFINITY) <= settledMs);
    isOver = end >= 0 || isSettled || cursor === undefined || seen === undefined;
  } while (!isOver && items.length < itemsMax);
  const news = items.filter((item) => seen?.has(idOf(item)) !== true).toReversed();
  remember(memory, news.map(idOf), nowMs());
  if (seen !== undefined) return { news, isWhole: isOver || news.length < items.length };
  const [oldest] = news;
  if (cursor !== undefined && oldest !== undefined) memory.floor = idOf(oldest);
  return { news: [], isWhole: true };
}

function remember(memory: Memory, ids: readonly string[], nowMs: number): void {
  const seen = (memory.seen ??= new Map());
  for (const id of ids) seen.set(id, nowMs);
  for (const id of seen.keys()) {
    if (seen.size <= seenMax) break;
    seen.delete(id);
  }
}

import { coalesce } from '../core/coalesce.ts';
import { formatPosition } from '../core/feed.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { RevocationCache } from '../enforcement/cache.ts';
import type { Announcer } from '../pipeline/ports.ts';
import { appendRow, type FeedContent, loadContent, rowsMax } from './feed-content.ts';
import { type FeedTail, tailEntriesMax } from './feed-tail.ts';
import type { LiveView } from './live-set.ts';
import type { Alert, Clock, FeedHead, FeedLog } from './ports.ts';

/** A wake-up that got lost costs this at most. Heartbeats keep the same time. */
export const lookEveryMs = 1_000;
/** A memory that differs from the table after it was loaded is not loaded again at once. */
const reloadEveryMs = 30_000;

/**
 * This node's copy of the feed: the live set and the tail. One reader follows the log by position; feed, snapshot and
 * check are answered from here and nobody else reads the log.
 */
export type FeedMemory = {
  readonly tail: FeedTail;
  readonly liveCount: number;
  /** Of the live set, for metrics. */
  readonly liveBytes: number;
  readonly digest: string;
  /** On the monotonic clock: everything committed before it is here. Very old while the log cannot be read. */
  readonly currentAsOfMs: number;
  /** The memory and the head differ at the same position: `/readyz` says so, and heartbeats are stale. */
  readonly diverged: boolean;
  /** Reads what was committed before the call. Rejects when the log cannot be read. */
  refresh(): Promise<void>;
  view(form: SnapshotForm): FeedView;
  /** Every entry that matches now. */
  check(context: TokenContext): ReturnType<RevocationCache['lookup']>;
  /** The entry is live. */
  has(revocationId: string): boolean;
  /** New entries are in the tail. Listeners never throw. */
  onNews(listener: Listener): void;
  /** It looked, or still tries to: once every `lookEveryMs`. */
  onLook(listener: Listener): void;
  /** The tail was replaced by another: positions and offsets of the old one mean nothing in it. */
  onReset(listener: Listener): void;
  close(): void;
};
type Listener = () => void;

/** Lines that anybody can read, or rows as the library's cache holds them. */
export type SnapshotForm = 'lines' | 'rows';

/** The live set at one position. */
export type FeedView = LiveView & {
  /** What rows are to be read with. */
  readonly words: readonly string[];
  readonly position: string;
  readonly cursor: string;
  readonly digest: string;
};

export type FeedMemoryOptions = {
  readonly log: FeedLog;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly clock: Clock;
  readonly alert: Alert;
  readonly tailEntriesMax?: number;
};

type State = {
  content: FeedContent;
  loadedAtMs: number;
  currentAsOfMs: number;
  diverged: boolean;
  unreadable: boolean;
};
type Listeners = { readonly news: Listener[]; readonly look: Listener[]; readonly reset: Listener[] };

/** Resolves with everything loaded. Rejects when the log cannot be read. */
export async function openFeedMemory(options: FeedMemoryOptions): Promise<FeedMemory> {
  const { clock } = options;
  const listeners: Listeners = { news: [], look: [], reset: [] };
  const state: State = {
    content: await load(options),
    loadedAtMs: clock.monotonicMs(),
    currentAsOfMs: Number.NEGATIVE_INFINITY,
    diverged: false,
    unreadable: false,
  };
  const refresh = coalesce(() => readAll(state, listeners, options));
  await refresh();
  const unsubscribe = options.announcer.subscribe('feed', () => void refresh().catch(() => undefined));
  const timer = setInterval(lookRegularly(refresh, listeners), lookEveryMs);
  return {
    get tail() {
      return state.content.tail;
    },
    get liveCount() {
      return state.content.lines.count;
    },
    get liveBytes() {
      return state.content.lines.heldBytes + state.content.rows.heldBytes;
    },
    get digest() {
      return state.content.cache.digest();
    },
    get currentAsOfMs() {
      return state.currentAsOfMs;
    },
    get diverged() {
      return state.diverged;
    },
    refresh,
    view: (form) => viewOf(state.content, form),
    check: (context) => state.content.cache.lookup(context, Math.floor(clock.nowMs() / 1000)),
    has: (id) => state.content.cache.get(id) !== undefined,
    onNews: (listener) => void listeners.news.push(listener),
    onLook: (listener) => void listeners.look.push(listener),
    onReset: (listener) => void listeners.reset.push(listener),
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}

/** The newest position of a tail, as text. */
export function cursorOf(tail: FeedTail): { readonly position: string; readonly cursor: string } {
  const position = formatPosition({ epoch: tail.epoch, seq: tail.head });
  return { position, cursor: `${position}-${tail.checkOf(tail.head) ?? ''}` };
}

const viewOf = (content: FeedContent, form: SnapshotForm): FeedView => ({
  ...cursorOf(content.tail),
  ...content[form].view(),
  words: content.rowWriter.words.words.slice(),
  digest: content.cache.digest(),
});

const load = (options: FeedMemoryOptions) =>
  loadContent(options.log, options.tailEntriesMax ?? tailEntriesMax);

/** A look that takes as long as the time to the next is as good as failed: listeners see it by `currentAsOfMs`. */
function lookRegularly(refresh: () => Promise<void>, listeners: Listeners): () => void {
  let looking = false;
  function tell(): void {
    looking = false;
    for (const listener of listeners.look) listener();
  }
  return () => {
    if (looking) tell();
    looking = true;
    refresh().then(tell, tell);
  };
}

async function readAll(state: State, listeners: Listeners, options: FeedMemoryOptions): Promise<void> {
  try {
    while (await readMore(state, listeners, options));
    state.unreadable = false;
  } catch (cause) {
    if (!state.unreadable) options.alert('feed-unreadable', { why: String(cause) });
    state.unreadable = true;
    throw cause;
  }
}

/** @returns whether there is still more. */
async function readMore(state: State, listeners: Listeners, options: FeedMemoryOptions): Promise<boolean> {
  const startedMs = options.clock.monotonicMs();
  const { tail } = state.content;
  const { head, rows } = await options.log.readAfter(tail.head, rowsMax);
  const continues = head.seq === tail.head || rows[0]?.seq === tail.head + 1;
  if (head.epoch !== tail.epoch || !continues) {
    await reload(state, listeners, options);
    return true;
  }
  for (const row of rows) appendRow(state.content, row);
  if (rows.length > 0) for (const listener of listeners.news) listener();
  if (head.seq > tail.head) return true;
  if (agrees(state.content, head)) {
    state.diverged = false;
    state.currentAsOfMs = startedMs;
    return false;
  }
  return mend(state, head, listeners, options);
}

const agrees = ({ tail, cache }: FeedContent, head: FeedHead): boolean =>
  tail.checkOf(head.seq) === head.check && cache.digest() === head.digest;

/** The first time it loads anew at once, later only now and then: a table that is wrong itself is not read for ever. */
async function mend(
  state: State,
  head: FeedHead,
  listeners: Listeners,
  options: FeedMemoryOptions,
): Promise<boolean> {
  const first = !state.diverged;
  state.diverged = true;
  if (!first && options.clock.monotonicMs() - state.loadedAtMs < reloadEveryMs) return false;
  options.alert('feed-diverged', {
    position: formatPosition(head),
    digest: state.content.cache.digest(),
    expected: head.digest,
  });
  await reload(state, listeners, options);
  return true;
}

async function reload(state: State, listeners: Listeners, options: FeedMemoryOptions): Promise<void> {
  state.content = await load(options);
  state.loadedAtMs = options.clock.monotonicMs();
  for (const listener of listeners.reset) listener();
}

import type { FeedEntry } from '../core/feed.ts';
import type { FeedMessage } from './feed-events.ts';
import type { FeedLoader } from './feed-loader.ts';
import type { FeedProgress } from './feed-progress.ts';
import type { FeedSession } from './feed-session.ts';
import { followStream, type StreamEnd } from './feed-stream.ts';
import type { HubTransport } from './feed-transport.ts';
import type { Clock, FeedClientOptions } from './feed-types.ts';
import type { Receipts } from './receipts.ts';
import { backoffMs } from './receipts-pace.ts';
import type { SnapshotKeeper } from './snapshot-keeper.ts';
import type { Staleness } from './staleness.ts';

/** The parts of a client, each with one concern, and what only following needs to remember. */
export type Following = {
  readonly cache: FeedClientOptions['cache'];
  readonly clock: Clock;
  readonly transport: HubTransport;
  readonly session: FeedSession;
  readonly loader: FeedLoader;
  readonly staleness: Staleness;
  readonly progress: FeedProgress;
  readonly receipts: Receipts;
  readonly keeper: SnapshotKeeper | undefined;
  readonly memory: FollowingMemory;
};

export type FollowingMemory = {
  heartbeatMs: number;
  /** Connections in a row on which nothing was confirmed. */
  failures: number;
  /** Connections in a row that ended for a gap or a senseless event. */
  confusions: number;
  unknownHeartbeats: number;
  /** On the monotonic clock: not before may the digest's difference cost another snapshot. */
  reloadAt: number;
  /** Applied in this turn. */
  batch: FeedEntry[];
};

export const createFollowingMemory = (): FollowingMemory => ({
  heartbeatMs: 1_000,
  failures: 0,
  confusions: 0,
  unknownHeartbeats: 0,
  reloadAt: Number.NEGATIVE_INFINITY,
  batch: [],
});

const retryMsMin = 100;
const retryMsMax = 10_000;
const goodbyeWaitMsMax = 60_000;
/** So often in a row the place in the feed is tried again before it is given up for a snapshot. */
const confusionsMax = 3;
/** A node that does not know its own head is left after so many heartbeats. */
const unknownHeartbeatsMax = 3;
/** For a digest that differs, one snapshot in this time and up to half as much again. */
const reloadEveryMs = 300_000;

/** One connection; how long to wait before the next. Never rejects. */
export async function followFeed(following: Following, stop: AbortSignal): Promise<number> {
  const { clock, memory, progress, receipts, session, transport } = following;
  progress.update({ connection: 'connecting' });
  const end = await followStream({
    transport,
    from: session.received,
    stop,
    monotonicMs: clock.monotonicMs,
    onMessage: (message) => handle(following, message),
    onTurn: (arrivedAt) => {
      if (memory.batch.length === 0) return;
      const entries = memory.batch;
      memory.batch = [];
      progress.applied(entries);
      following.keeper?.noteChanges(entries);
      receipts.applied(entries, arrivedAt);
      progress.update();
    },
  });
  progress.update({ connection: 'waiting' });
  return stop.aborted ? 0 : afterEnd(following, end);
}

function afterEnd(following: Following, end: StreamEnd): number {
  const { memory, progress } = following;
  memory.failures += 1;
  switch (end.kind) {
    case 'gone':
      progress.trouble('position-gone', 'the hub does not know our place in the feed; a snapshot is taken');
      lose(following);
      return memory.failures === 1 ? 0 : wait(memory);
    case 'unauthorized':
      progress.trouble('unauthorized', `the hub answered ${end.status}: its token is not accepted`);
      return wait(memory);
    case 'goodbye':
      // The hub spreads its points over time by itself.
      return Math.min(end.retryMs, goodbyeWaitMsMax);
    case 'bad-event':
      progress.trouble('bad-event', end.text, end.cause);
      confused(following);
      return wait(memory);
    case 'lost':
      if (memory.failures === 1)
        progress.trouble('unreachable', 'the connection to the hub was lost', end.cause);
      return wait(memory);
    case 'left':
    default:
      return memory.failures === 1 ? 0 : wait(memory);
  }
}

const wait = ({ failures }: FollowingMemory): number => backoffMs(failures, retryMsMin, retryMsMax);

function lose({ session, loader }: Following): void {
  loader.abandon();
  session.lose();
}

function confused(following: Following): void {
  following.memory.confusions += 1;
  if (following.memory.confusions % confusionsMax === 0) lose(following);
}

/** `false`: leave this connection. */
function handle(following: Following, message: FeedMessage): boolean {
  const { memory, progress } = following;
  switch (message.kind) {
    case 'hello':
      return begin(following, message);
    case 'configuration':
      progress.configure(message.configuration);
      following.keeper?.noteReplaced();
      return true;
    case 'entry': {
      const outcome = following.session.accept(message);
      if (outcome === 'applied') memory.batch.push(message.entry);
      return outcome === 'gap' ? leaveForGap(following) : true;
    }
    case 'heartbeat':
      return believe(following, message);
    case 'goodbye':
    case 'stranger':
    default:
      return true;
  }
}

function begin(following: Following, { hello, from }: Extract<FeedMessage, { kind: 'hello' }>): boolean {
  const { cache, loader, memory, progress, receipts, session } = following;
  memory.heartbeatMs = hello.heartbeat_ms;
  memory.unknownHeartbeats = 0;
  if (!session.open(from, hello.epoch)) {
    progress.trouble(
      'position-gone',
      'the stream begins elsewhere than it was asked to; a snapshot is taken',
    );
    lose(following);
    return false;
  }
  if (cache.position && cache.position.epoch !== hello.epoch) {
    progress.trouble(
      'new-epoch',
      `the hub began the epoch ${hello.epoch}; denials of ${cache.position.epoch} are kept`,
    );
  }
  progress.update({ connection: 'open' });
  receipts.announce();
  if (!session.isWhole) loader.start();
  return true;
}

function believe(following: Following, message: Extract<FeedMessage, { kind: 'heartbeat' }>): boolean {
  const { clock, memory, progress, session, staleness } = following;
  // What lay in the socket while the process stood still says nothing about now.
  if (tellDisturbance(following)) return false;
  const comparison = session.compare(message);
  if (comparison === 'unknown') {
    memory.unknownHeartbeats += 1;
    return memory.unknownHeartbeats < unknownHeartbeatsMax;
  }
  memory.unknownHeartbeats = 0;
  if (comparison === 'behind') return leaveForGap(following);
  memory.failures = 0;
  if (comparison === 'loading') return true;
  memory.confusions = 0;
  if (comparison === 'different') {
    // Something that the hub has may be missing: not confirmed, so that the posture decides once it has lasted too long.
    progress.update({ set: 'hub', divergent: isDivergent(following) });
    return true;
  }
  staleness.confirm();
  progress.confirmedAtMs = clock.nowMs();
  progress.update({ set: 'hub', divergent: false });
  return true;
}

/** Told, and the connection left: a new one holds nothing from before. */
export function tellDisturbance({ progress, staleness }: Following): boolean {
  const disturbance = staleness.check();
  if (!disturbance) return false;
  progress.trouble(
    disturbance,
    'the process or its clock stood still or jumped; stale until the hub is heard again',
  );
  progress.update();
  return true;
}

function leaveForGap(following: Following): boolean {
  following.progress.trouble('gap', 'entries are missing; the stream is resumed from the last that came');
  confused(following);
  return false;
}

/** The digest differs: first another snapshot, and when that does not help, it is said. */
function isDivergent({ clock, loader, memory, progress }: Following): boolean {
  const now = clock.monotonicMs();
  const { divergent } = progress.state();
  if (loader.isLoading()) return divergent;
  if (now >= memory.reloadAt) {
    memory.reloadAt = now + reloadEveryMs * (1 + Math.random() / 2);
    progress.trouble('digest-mismatch', 'the set is not the one that the hub has; another snapshot is taken');
    loader.start();
    return divergent;
  }
  if (!divergent) progress.trouble('divergent', 'the set differs from the hub’s even after a new snapshot');
  return true;
}

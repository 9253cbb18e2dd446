import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from './clock.ts';
import { createFollowingMemory, followFeed, type Following, tellDisturbance } from './feed-follow.ts';
import { createFeedLoader } from './feed-loader.ts';
import { createFeedProgress, type FeedProgress } from './feed-progress.ts';
import { createFeedSession } from './feed-session.ts';
import { createHubTransport } from './feed-transport.ts';
import type { FeedClient, FeedClientOptions } from './feed-types.ts';
import { isLoopback } from './loopback.ts';
import { createReceipts } from './receipts.ts';
import { createReports } from './receipts-reports.ts';
import { readSnapshotFile, removeLeftovers } from './snapshot-file.ts';
import { createSnapshotKeeper } from './snapshot-keeper.ts';
import { checkEveryMs, createStaleness } from './staleness.ts';

/**
 * Follows the feed of a hub into a cache, for as long as the process lives: opens the stream first and loads the
 * snapshot beside it, resumes after every break, and says how old its knowledge is. Nothing that the hub or the network
 * does makes it throw or end.
 *
 * @throws TypeError when the hub's address is neither https nor http on a loopback address
 * @see DESIGN §6
 */
export function createFeedClient(options: FeedClientOptions): FeedClient {
  const following = createFollowing(options);
  const { cache, keeper, progress, receipts, staleness, transport } = following;
  const reports = createReports({
    transport,
    onFailure: (cause) => progress.trouble('unreachable', 'reports were not heard', cause),
    onDropped: (count, why, cause) =>
      progress.trouble('reports-dropped', `reports dropped: ${count}; ${why}`, cause),
  });
  const ended = new AbortController();
  const connection = { stop: new AbortController() };
  const timer = setInterval(() => {
    if (tellDisturbance(following)) connection.stop.abort();
    progress.update();
    keeper?.tick();
  }, checkEveryMs);
  timer.unref();
  const running = run(options, following, ended.signal, connection);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    clearInterval(timer);
    ended.abort();
    connection.stop.abort();
    following.loader.abandon();
    await running;
    await Promise.all([receipts.close(), reports.close(), keeper?.close()]);
    transport.close();
    progress.update({ connection: 'closed' });
  };

  return {
    state: progress.state,
    staleMs: staleness.staleMs,
    ready: progress.ready,
    denied: (entries) => receipts.denied(entries.map(({ id }) => id)),
    report: reports.report,
    sight: reports.sight,
    forgetOrphans: (ids) => {
      for (const id of ids) cache.forgetOrphan(id);
      keeper?.noteReplaced();
      progress.update();
    },
    close: () => (closing ??= close()),
  };
}

function createFollowing(options: FeedClientOptions): Following {
  const { cache, clock = systemClock, hub, snapshotFile } = options;
  const transport = createHubTransport(options);
  const memory = createFollowingMemory();
  const staleness = createStaleness(clock);
  const progress = createFeedProgress(options, () => staleness.isFresh(memory.heartbeatMs));
  const session = createFeedSession(cache);
  const receipts = createReceipts({
    transport,
    cache,
    declaration: options.declaration,
    clock,
    staleMs: staleness.staleMs,
    isDivergent: () => progress.state().divergent,
    onTrouble: progress.trouble,
  });
  const keeper =
    snapshotFile === undefined
      ? undefined
      : createSnapshotKeeper({
          path: snapshotFile,
          hub,
          cache,
          monotonicMs: clock.monotonicMs,
          current: () => worthKeeping(progress, session.isWhole),
          onFailure: (cause) => progress.trouble('disk', 'the snapshot file could not be written', cause),
        });
  const loader = createFeedLoader({
    transport,
    session,
    compress: !isLoopback(new URL(hub).hostname),
    onLoaded: ({ configuration }) => {
      if (!progress.configuration()) progress.configure(configuration);
      progress.update({ set: 'hub' });
      keeper?.noteReplaced();
      progress.replaced();
      receipts.announce();
    },
    onTrouble: progress.trouble,
  });
  return { cache, clock, transport, session, loader, staleness, progress, receipts, keeper, memory };
}

function worthKeeping({ configuration, confirmedAtMs }: FeedProgress, isWhole: boolean) {
  const current = configuration();
  return isWhole && current && confirmedAtMs !== undefined
    ? { configuration: current, confirmedAtMs }
    : undefined;
}

/** Until the client is closed. Never rejects. */
async function run(
  options: FeedClientOptions,
  following: Following,
  ended: AbortSignal,
  connection: { stop: AbortController },
): Promise<void> {
  await startFromDisk(options, following);
  while (!ended.aborted) {
    connection.stop = new AbortController();
    const waitMs = await followFeed(following, connection.stop.signal);
    if (ended.aborted) return;
    await delay(waitMs, undefined, { signal: ended }).catch(() => undefined);
  }
}

/** A file that cannot be used is told and passed over: the hub has everything. */
async function startFromDisk({ snapshotFile, hub }: FeedClientOptions, following: Following): Promise<void> {
  const { cache, clock, progress, session, staleness } = following;
  if (snapshotFile === undefined) return;
  try {
    await removeLeftovers(snapshotFile);
    const saved = await readSnapshotFile(snapshotFile, hub);
    if (!saved) return;
    cache.replaceBy(saved.cache);
    session.resumeFrom(saved.cursor);
    const ageMs = clock.nowMs() - saved.confirmedAtMs;
    // Confirmed in the future: the clock cannot be trusted to say how old it is.
    staleness.startFrom(ageMs < 0 ? Number.POSITIVE_INFINITY : ageMs);
    progress.confirmedAtMs = saved.confirmedAtMs;
    progress.configure(saved.configuration);
    progress.update({ set: 'disk' });
    progress.replaced();
  } catch (cause) {
    progress.trouble('disk', 'the snapshot file cannot be used and is passed over', cause);
  }
}

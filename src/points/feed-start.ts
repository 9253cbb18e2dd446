import { type Cursor, formatPosition } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { PointName } from '../core/vocabulary.ts';
import { cursorOf, type FeedMemory } from './feed-memory.ts';
import type { Alert, Clock, FeedLog } from './ports.ts';

/** What an instance claims opens a new epoch at most this often, whoever claims it. */
export const epochIntervalMs = 600_000;

/** Who asks for the feed. Only points are believed when they prove that the feed went back. */
export type Resumer = { readonly actor: string; readonly point?: PointName; readonly correlationId: string };

/**
 * The sequence after which a stream begins: the head when there is no cursor.
 *
 * A cursor of this epoch that is not in the log, or ahead of it, was handed out by a feed that this one is not the
 * continuation of: the database was restored or forked. A new epoch makes every point take a snapshot.
 *
 * @throws Problem `feed-position-gone` when the feed cannot be read on from the cursor.
 */
export type FindStart = (cursor: Cursor | undefined, resumer: Resumer) => Promise<number>;

export type FindStartOptions = {
  readonly memory: FeedMemory;
  readonly log: Pick<FeedLog, 'openEpoch'>;
  readonly clock: Clock;
  readonly alert: Alert;
};

export function createFindStart(options: FindStartOptions): FindStart {
  const { memory } = options;
  return async (cursor, resumer) => {
    if (cursor === undefined) return memory.tail.head;
    // Another node may have written what this one has not read yet.
    if (cursor.epoch !== memory.tail.epoch || cursor.seq > memory.tail.head) await memory.refresh();
    const { tail } = memory;
    if (cursor.epoch !== tail.epoch) throw gone(memory, 'The position is of another epoch.');
    if (cursor.seq < tail.start) throw gone(memory, 'The position is behind what the feed still holds.');
    const ahead = cursor.seq > tail.head;
    const differs = cursor.check !== undefined && !ahead && tail.checkOf(cursor.seq) !== cursor.check;
    if (!ahead && !differs) return cursor.seq;
    if (resumer.point !== undefined && cursor.check !== undefined) await openEpoch(options, cursor, resumer);
    throw gone(memory, ahead ? 'The position is ahead of the feed.' : 'The position is of another feed.');
  };
}

async function openEpoch(
  { memory, log, clock, alert }: FindStartOptions,
  cursor: Cursor,
  { actor, point, correlationId }: Resumer,
): Promise<void> {
  const { tail } = memory;
  const proof = { point: point ?? '', claimed: formatPosition(cursor), head: cursorOf(tail).position };
  const because = `${proof.point} had been at ${proof.claimed} when the head was ${proof.head}`;
  const outcome = await log.openEpoch({
    epoch: tail.epoch,
    because,
    intervalMs: epochIntervalMs,
    audit: {
      atMs: clock.nowMs(),
      actor,
      action: 'feed.epoch-opened',
      target: tail.epoch,
      outcome: 'done',
      correlationId,
      detail: proof,
    },
  });
  if (outcome === 'not-now') return;
  alert('feed-epoch-opened', proof);
  await memory.refresh();
}

const gone = ({ tail }: FeedMemory, detail: string): Problem =>
  new Problem('feed-position-gone', detail, {
    hint: 'Take GET /v1/feed/snapshot and go on from its position.',
    extra: {
      head: cursorOf(tail).position,
      tail_start: formatPosition({ epoch: tail.epoch, seq: tail.start }),
    },
  });

import type { ServerResponse } from 'node:http';
import { Problem } from '../core/problem.ts';
import type { FeedLimits } from './feed-limits.ts';

/** Who takes a snapshot holds the entries of its position in memory: only so many do, and only for so long. */
export type SnapshotReaders = {
  /** Until the response has ended, which is when it takes too long. @throws Problem `rate-limited` */
  enter(response: ServerResponse): void;
};

export function createSnapshotReaders({
  snapshotReadersMax,
  snapshotIdleMs,
  snapshotMsMax,
}: FeedLimits): SnapshotReaders {
  let readers = 0;
  return {
    enter(response) {
      if (readers >= snapshotReadersMax) {
        throw new Problem('rate-limited', `${readers} others take a snapshot from this node.`, {
          hint: 'Try again in a few seconds, another node if there is one.',
        });
      }
      readers++;
      const timer = setTimeout(() => response.destroy(), snapshotMsMax);
      response.setTimeout(snapshotIdleMs, () => response.destroy());
      response.once('close', () => {
        readers--;
        clearTimeout(timer);
      });
    },
  };
}

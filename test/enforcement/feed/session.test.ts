import { describe, expect, it } from 'vitest';
import type { FeedEntry, PutEntry } from '../../../src/core/feed.ts';
import { createRevocationCache } from '../../../src/enforcement/cache.ts';
import { createFeedSession } from '../../../src/enforcement/feed-session.ts';
import { anEntry, aUlid } from '../cache/entries.ts';

const [before, after] = ['7f3a9c01', 'beef0001'];
const entryOf = (number: number, position: string): PutEntry =>
  anEntry({ id: `rev_${aUlid(number)}`, position, match: { sub: `s${number}` } });
const at = (seq: number) => ({ epoch: after, seq });

/** Follows the stream of a new epoch, with so many entries of the old one in force. */
function aSession(count: number) {
  const cache = createRevocationCache();
  for (let number = 1; number <= count; number += 1) cache.apply(entryOf(number, `${before}-${number}`));
  cache.position = { epoch: before, seq: count };
  const session = createFeedSession(cache);
  session.open(at(0), after);
  session.startLoad();
  let seq = 0;
  const next = (entry: FeedEntry) => {
    session.accept({
      kind: 'entry',
      entry: { ...entry, prev: '' },
      cursor: at(seq + 1),
      after: at(seq),
    });
    seq += 1;
  };
  const lift = (number: number) =>
    next({
      v: 1,
      op: 'lift',
      id: `rev_${aUlid(number)}`,
      position: `${after}-${seq + 1}`,
      committed_at_ms: 1,
    });
  const put = (number: number) => next(entryOf(number, `${after}-${seq + 1}`));
  const orphans = () => [...cache.orphans()].map(({ id }) => id).toSorted();
  const adopt = (cursorSeq: number) =>
    session.adopt({
      cache: createRevocationCache(),
      cursor: at(cursorSeq),
      configuration: { issuers: [] },
      isSound: true,
    });
  return { cache, adopt, put, lift, orphans };
}

describe('DESIGN §5: orphans are what the new epoch has said nothing of', () => {
  const old = Array.from({ length: 1_200 }, (_, index) => `rev_${aUlid(index + 1)}`);

  it('what it put and lifted while they were looked for is none, whenever the lift comes', async () => {
    for (const isLiftLate of [false, true]) {
      const { adopt, put, lift, orphans } = aSession(1_200);
      const adopted = adopt(10);
      put(5_000);
      if (!isLiftLate) lift(5_000);
      expect(await adopted).toBe('adopted');
      if (isLiftLate) lift(5_000);
      expect(orphans()).toEqual(old);
    }
  });

  it('one that it lifts is one no more, though the snapshot is ahead of the lift', async () => {
    const { cache, adopt, lift, orphans } = aSession(1_200);
    const adopted = adopt(10);
    lift(1);
    expect(await adopted).toBe('adopted');
    lift(2);
    expect(orphans()).toEqual(old.slice(2));
    expect(cache.size).toBe(0);
  });
});

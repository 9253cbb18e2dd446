import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeEntry } from '../../src/points/feed-frames.ts';
import { createLiveSet, type LiveSet } from '../../src/points/live-set.ts';

const padding = 'ü'.repeat(2_000);
const aPut = (id: string, seq: number) =>
  encodeEntry({
    seq,
    epoch: '7f3a9c01',
    op: 'put',
    revocationId: id,
    body: JSON.stringify({
      v: 1,
      op: 'put',
      id,
      match: { iss: 'https://idp.example', sub: id },
      reason: padding,
    }),
    committedAtMs: seq,
  });

const linesOf = ({ pieces }: ReturnType<LiveSet['view']>): string[] =>
  Buffer.concat([...pieces()])
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .sort();

it('is what a plain map would be, whatever is put, moved forward and removed; a view stays what it was', () => {
  const step = fc.record({ id: fc.integer({ min: 0, max: 900 }), put: fc.boolean(), look: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 2_000, maxLength: 4_000 }), (steps) => {
      const live = createLiveSet();
      const naive = new Map<string, string>();
      let early: { readonly view: ReturnType<LiveSet['view']>; readonly lines: string[] } | undefined;
      for (const [seq, { id: number, put, look }] of steps.entries()) {
        const id = `rev_${number}`;
        if (put) {
          const encoded = aPut(id, seq + 1);
          expect(live.put(encoded)).toBe(true);
          naive.set(id, encoded.line.trimEnd());
        } else expect(live.remove(id)).toBe(naive.delete(id));
        if (look && seq > 1_000) early ??= { view: live.view(), lines: [...naive.values()].sort() };
      }
      expect(live.count).toBe(naive.size);
      expect(linesOf(live.view())).toEqual([...naive.values()].sort());
      if (early) expect(linesOf(early.view)).toEqual(early.lines);
    }),
    { numRuns: 8 },
  );
});

it('an entry at the same or an earlier position changes nothing', () => {
  const live = createLiveSet();
  live.put(aPut('rev_1', 7));
  const before = linesOf(live.view());
  expect(live.put(aPut('rev_1', 7))).toBe(false);
  expect(live.put(aPut('rev_1', 3))).toBe(false);
  expect(linesOf(live.view())).toEqual(before);
  expect(live.put(aPut('rev_1', 8))).toBe(true);
  expect(live.count).toBe(1);
});

it('gives memory back: what was put and removed over and over does not grow', () => {
  const live = createLiveSet();
  for (let round = 0; round < 30; round++) {
    for (let index = 0; index < 400; index++)
      live.put(aPut(`rev_${round}_${index}`, round * 400 + index + 1));
    for (let index = 0; index < 399; index++) live.remove(`rev_${round}_${index}`);
  }
  expect(live.count).toBe(30);
  expect(linesOf(live.view())).toHaveLength(30);
  // 12,000 lines of 4 kB went through it; what is held is what is live, and less than a few chunks that die last.
  expect(live.heldBytes).toBeLessThan(6 * 1024 * 1024);
});

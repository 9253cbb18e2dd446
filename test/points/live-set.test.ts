import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedEntry, PutEntry } from '../../src/core/feed.ts';
import { createRowWriter, readRow } from '../../src/enforcement/cache/row.ts';
import { encodeEntry, readLineHead } from '../../src/points/feed-frames.ts';
import { createLiveSet, type LiveSet } from '../../src/points/live-set.ts';

const reason = 'ü'.repeat(500);
const encode = (id: string, seq: number) =>
  encodeEntry({
    seq,
    epoch: '7f3a9c01',
    op: 'put',
    revocationId: id,
    body: JSON.stringify({
      match: { iss: 'https://idp.example', sub: `${id} ${'ü'.repeat(1_000)}` },
      reach: 'chain',
      effect: 'deny',
      reason,
      signal_id: 'sig_1',
    }),
    committedAtMs: seq,
  });

type Form = {
  readonly live: LiveSet;
  readonly put: (id: string, seq: number) => boolean;
  readonly entriesOf: (view: ReturnType<LiveSet['view']>) => readonly FeedEntry[];
};

const byId = (entries: Iterable<FeedEntry>) => [...entries].toSorted((a, b) => (a.id < b.id ? -1 : 1));

/** Both forms in which a live set is kept. */
const forms: readonly (readonly [string, () => Form])[] = [
  [
    'lines',
    () => {
      const live = createLiveSet(readLineHead);
      return {
        live,
        put: (id, seq) => {
          const { entry, line } = encode(id, seq);
          return live.put(entry, line);
        },
        entriesOf: ({ pieces }) => {
          const lines = Buffer.concat([...pieces()])
            .toString('utf8')
            .split('\n')
            .slice(0, -1);
          return byId(lines.map((line) => JSON.parse(line) as FeedEntry));
        },
      };
    },
  ],
  [
    'rows',
    () => {
      const writer = createRowWriter();
      const live = createLiveSet((row) => readRow(row, writer.words));
      return {
        live,
        put: (id, seq) => {
          const { entry } = encode(id, seq);
          return live.put(entry, writer.write(entry as PutEntry));
        },
        entriesOf: ({ pieces }) => {
          const bytes = Buffer.concat([...pieces()]);
          const entries: FeedEntry[] = [];
          for (let at = 0; at < bytes.length; ) {
            const end = at + 4 + bytes.readUInt32BE(at);
            entries.push(readRow(bytes.subarray(at, end), writer.words));
            at = end;
          }
          return byId(entries);
        },
      };
    },
  ],
];

describe.each(forms)('a live set of %s', (_, createForm) => {
  it('is what a plain map would be, whatever is put, moved forward and removed; a view stays what it was', () => {
    const step = fc.record({
      id: fc.integer({ min: 0, max: 900 }),
      put: fc.boolean(),
      look: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 2_000, maxLength: 4_000 }), (steps) => {
        const { live, put: putInto, entriesOf } = createForm();
        const naive = new Map<string, FeedEntry>();
        let early:
          | { readonly view: ReturnType<LiveSet['view']>; readonly entries: readonly FeedEntry[] }
          | undefined;
        for (const [seq, { id: number, put, look }] of steps.entries()) {
          const id = `rev_${number}`;
          if (put) {
            expect(putInto(id, seq + 1)).toBe(true);
            naive.set(id, encode(id, seq + 1).entry);
          } else expect(live.remove(id)).toBe(naive.delete(id));
          if (look && seq > 1_000) early ??= { view: live.view(), entries: byId(naive.values()) };
        }
        expect(live.count).toBe(naive.size);
        expect(entriesOf(live.view())).toEqual(byId(naive.values()));
        if (early) expect(entriesOf(early.view)).toEqual(early.entries);
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });

  it('an entry at the same or an earlier position changes nothing', () => {
    const { live, put, entriesOf } = createForm();
    put('rev_1', 7);
    const before = entriesOf(live.view());
    expect(put('rev_1', 7)).toBe(false);
    expect(put('rev_1', 3)).toBe(false);
    expect(entriesOf(live.view())).toEqual(before);
    expect(put('rev_1', 8)).toBe(true);
    expect(live.count).toBe(1);
  });

  it('gives memory back: what was put and removed over and over does not grow', () => {
    const { live, put, entriesOf } = createForm();
    for (let round = 0; round < 60; round++) {
      for (let index = 0; index < 400; index++) put(`rev_${round}_${index}`, round * 400 + index + 1);
      for (let index = 0; index < 399; index++) live.remove(`rev_${round}_${index}`);
    }
    expect(live.count).toBe(60);
    expect(entriesOf(live.view())).toHaveLength(60);
    // 24,000 texts of 1 kB or more went through it; what is held is what is live, and less than a few chunks that die last.
    expect(live.heldBytes).toBeLessThan(6 * 1024 * 1024);
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedEntry, PutEntry } from '../../../src/core/feed.ts';
import { createRevocationCache, type RevocationCache } from '../../../src/enforcement/cache.ts';
import { bytesOf } from '../../../src/enforcement/cache/bytes.ts';
import { whyNotApplied } from '../../../src/enforcement/cache/check-entry.ts';
import { dictionaryOf } from '../../../src/enforcement/cache/dictionary.ts';
import { createRowWriter, readRow } from '../../../src/enforcement/cache/row.ts';
import {
  anEntry,
  aUlid,
  contextNear,
  idsFound,
  naive,
  someContext,
  someEntry,
  someHistory,
} from './entries.ts';

const now = 1_763_764_005;

/** A set as it is handed on: packed by one, unpacked by another, who has nothing of the first but words and rows. */
function handedOn(entries: Iterable<PutEntry>, expected?: number): RevocationCache {
  const writer = createRowWriter();
  const rows = Array.from(entries, writer.write);
  const words = dictionaryOf(JSON.parse(JSON.stringify(writer.words.words)) as unknown[]);
  const cache = createRevocationCache({ words, expected });
  const bytes = bytesOf(Buffer.concat(rows));
  let at = 0;
  for (const { length } of rows) {
    cache.applyRow({ bytes, at, end: at + length });
    at += length;
  }
  return cache;
}

function filled(history: readonly FeedEntry[]): RevocationCache {
  const cache = createRevocationCache();
  for (const entry of history) cache.apply(entry);
  return cache;
}

const byId = (entries: Iterable<PutEntry>) => [...entries].toSorted((a, b) => (a.id < b.id ? -1 : 1));

describe('ADR 17: a set that is handed on in rows', () => {
  it('is the same as one that came entry by entry, and stays so with every delta', () => {
    let matched = 0;
    fc.assert(
      fc.property(someHistory(), fc.nat(40), fc.nat(50), fc.gen(), (history, cut, expected, gen) => {
        const whole = filled(history);
        const packed = handedOn(naive(history.slice(0, cut)).live, expected);
        for (const entry of history.slice(cut)) packed.apply(entry);
        expect(packed.digest()).toBe(whole.digest());
        expect(packed.size).toBe(whole.size);
        expect(byId(packed.entries())).toEqual(byId(whole.entries()));
        const { live } = naive(history);
        for (const context of [gen(() => someContext), ...live.map((put) => gen(contextNear, put))]) {
          const found = idsFound(whole, context, now);
          expect(idsFound(packed, context, now)).toEqual(found);
          matched += found.length;
        }
      }),
      { numRuns: 300 },
    );
    expect(matched).toBeGreaterThan(100);
  });

  it('gives back each entry as it was written', () => {
    fc.assert(
      fc.property(someEntry('7f3a9c01-7'), (entry) => {
        const writer = createRowWriter();
        expect(readRow(writer.write(entry), writer.words)).toEqual(entry);
      }),
    );
  });

  it('keeps what a record cannot say as it was sent: denied, or refused and reported', () => {
    const odd = [
      anEntry({ effect: 'vaporise' as PutEntry['effect'] }),
      anEntry({ id: `rev_${aUlid(2)}`, match: { shoe_size: '43' } as PutEntry['match'] }),
      anEntry({ id: `rev_${aUlid(3)}`, reach: 'everywhere' as PutEntry['reach'] }),
      anEntry({ id: `rev_${aUlid(4)}`, v: 2 }),
    ];
    const [plain, packed] = [filled(odd), handedOn(odd)];
    expect(byId(packed.entries())).toEqual(byId(plain.entries()));
    expect([...packed.refused()]).toEqual([...plain.refused()]);
    expect(packed.refusedCount).toBe(3);
    expect(packed.digest()).toBe(plain.digest());
    const context = { iss: 'https://idp.example', client_id: 'build-runner' };
    expect(packed.lookup(context, now).map(({ effect }) => effect)).toEqual(['deny']);
  });

  it('replaces an id that is there, whichever way each of both came', () => {
    const writer = createRowWriter();
    const old = anEntry({ match: { sub: 'x' } });
    const refused = anEntry({ v: 2 });
    const unknown = anEntry({ effect: 'vaporise' as PutEntry['effect'] });
    const rows = [old, unknown, old, refused, anEntry()].map(writer.write);
    const cache = createRevocationCache({ words: writer.words });
    cache.apply(old);
    for (const row of rows) {
      cache.applyRow({ bytes: bytesOf(row), at: 0, end: row.length });
      expect(cache.size).toBe(1);
      expect(cache.digest()).toBe(filled([anEntry()]).digest());
    }
    expect(cache.refusedCount).toBe(0);
    expect([...cache.entries()]).toEqual([anEntry()]);
  });
});

describe('ADR 17: rows are as hostile as any bytes', () => {
  const rowAndWords = (entry: PutEntry) => {
    const writer = createRowWriter();
    return { row: writer.write(entry), words: writer.words.words };
  };

  /** Applies what may be anything; `false` when it is refused. */
  function isTaken(row: Buffer, cache: RevocationCache): boolean {
    try {
      cache.applyRow({ bytes: bytesOf(row), at: 0, end: row.length });
      return true;
    } catch (cause) {
      expect(cause instanceof RangeError || cause instanceof SyntaxError).toBe(true);
      return false;
    }
  }

  it('whatever bytes are changed: it is refused, or is an entry that is found, said again and lifted like any other', () => {
    const seen = { taken: 0, refused: 0 };
    const change = fc.record({ at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) });
    const changes = fc.array(change, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(someEntry('7f3a9c01-7'), changes, fc.gen(), (entry, flips, gen) => {
        const { row, words } = rowAndWords(entry);
        for (const { at, bits } of flips) {
          const index = 4 + (at % (row.length - 4));
          row[index] = (row[index] ?? 0) ^ bits;
        }
        const cache = createRevocationCache({ words: dictionaryOf(words) });
        if (!isTaken(row, cache)) {
          seen.refused += 1;
          expect([cache.size, [...cache.entries()]]).toEqual([0, []]);
          return;
        }
        seen.taken += 1;
        const [held] = [...cache.entries()];
        if (!held) throw new Error('it was taken, and is not there');
        expect(whyNotApplied(held)).toBeUndefined();
        const plain = filled([held]);
        expect(cache.get(held.id)).toEqual(held);
        expect(cache.digest()).toBe(plain.digest());
        const context = gen(contextNear, held);
        expect(idsFound(cache, context, now)).toEqual(idsFound(plain, context, now));
        cache.apply({ v: 1, op: 'lift', id: held.id, position: '7f3a9c01-8', committed_at_ms: 1 });
        expect([cache.size, cache.digest(), idsFound(cache, context, now)]).toEqual([0, '0'.repeat(32), []]);
      }),
      { numRuns: 1_000 },
    );
    expect(seen.taken).toBeGreaterThan(50);
    expect(seen.refused).toBeGreaterThan(50);
  });

  it('is refused when it is shorter or longer than it says', () => {
    const { row, words } = rowAndWords(anEntry({ agent: 'build-runner' }));
    const cache = createRevocationCache({ words: dictionaryOf(words) });
    for (let length = 4; length < row.length; length += 1)
      expect(isTaken(row.subarray(0, length), cache)).toBe(false);
    expect(isTaken(Buffer.concat([row, Buffer.alloc(1)]), cache)).toBe(false);
    expect(cache.size).toBe(0);
    expect(isTaken(row, cache)).toBe(true);
  });

  it('is refused in another form than the one that would be found', () => {
    const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
    const { row, words } = rowAndWords(anEntry({ match: { jkt } }));
    const anchor = 8;
    const packedBytes = 33;
    // As characters, of which a look-up packs 43 differently.
    const spelt = Buffer.concat([Buffer.from([8 + 2 * 43]), Buffer.from(jkt)]);
    const other = Buffer.concat([row.subarray(0, anchor), spelt, row.subarray(anchor + packedBytes)]);
    const cache = createRevocationCache({ words: dictionaryOf(words) });
    expect(isTaken(other, cache)).toBe(false);
    expect(isTaken(row, cache)).toBe(true);
  });

  it.each([
    ['one of them twice', ['a', 'a']],
    ['a number', ['a', 7]],
    ['one that is too long', ['x'.repeat(513)]],
    ['too many', Array.from({ length: 4_097 }, (_, index) => `${index}`)],
  ])('%s: the words of no dictionary', (_, words) => {
    expect(() => dictionaryOf(words)).toThrow(RangeError);
  });
});

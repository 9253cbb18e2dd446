import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedEntry, PutEntry } from '../../../src/core/feed.ts';
import { createRevocationCache, type RevocationCache } from '../../../src/enforcement/cache.ts';
import { digestOf } from '../../support/feed-server.ts';
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

function filled(history: readonly FeedEntry[]): RevocationCache {
  const cache = createRevocationCache();
  for (const entry of history) cache.apply(entry);
  return cache;
}

const byId = (entries: Iterable<PutEntry>) => [...entries].toSorted((a, b) => (a.id < b.id ? -1 : 1));

describe('DESIGN §5: the cache says what the reference says', () => {
  it('matches exactly the entries that core/match.ts matches, after every step of any history', () => {
    let matched = 0;
    const step = fc.tuple(someHistory({ max: 30 }), fc.infiniteStream(someContext), fc.gen());
    fc.assert(
      fc.property(step, ([history, contexts, gen]) => {
        const cache = createRevocationCache();
        history.forEach((entry, index) => {
          cache.apply(entry);
          const reference = naive(history.slice(0, index + 1));
          const near = reference.live.slice(-3).map((put) => gen(contextNear, put));
          for (const context of [...near, ...contexts.take(1)]) {
            const found = idsFound(cache, context, now);
            expect(found).toEqual(reference.idsMatching(context, now));
            matched += found.length;
          }
        });
      }),
      { numRuns: 300 },
    );
    // A property over contexts that never match would prove nothing.
    expect(matched).toBeGreaterThan(300);
  });

  it('gives back each entry as it was received', () => {
    fc.assert(
      fc.property(someHistory(), (history) => {
        const cache = filled(history);
        const { live } = naive(history);
        expect(byId(cache.entries())).toEqual(byId(live));
        expect(cache.size).toBe(live.length);
        for (const entry of live) expect(cache.get(entry.id)).toEqual(entry);
      }),
    );
  });

  it('keeps the digest of what was put and not removed, as the database does', () => {
    fc.assert(
      fc.property(someHistory(), (history) => {
        expect(filled(history).digest()).toBe(digestOf(naive(history).live));
      }),
    );
  });

  it('is the same from a snapshot and deltas as from all deltas', () => {
    fc.assert(
      fc.property(someHistory(), fc.nat(40), someContext, (history, cut, context) => {
        const whole = filled(history);
        const snapshot = filled([...filled(history.slice(0, cut)).entries(), ...history.slice(cut)]);
        expect(snapshot.digest()).toBe(whole.digest());
        expect(byId(snapshot.entries())).toEqual(byId(whole.entries()));
        expect(idsFound(snapshot, context, now)).toEqual(idsFound(whole, context, now));
      }),
    );
  });

  it('never turns a denial into an allowance by putting more', () => {
    fc.assert(
      fc.property(someHistory(), someContext, (history, context) => {
        const cache = createRevocationCache();
        let denied = 0;
        for (const entry of history.map((entry, index) => ({ ...entry, id: `rev_${aUlid(index)}` }))) {
          if (entry.op !== 'put') continue;
          cache.apply(entry);
          const after = cache.lookup(context, now).filter(({ effect }) => effect === 'deny').length;
          expect(after).toBeGreaterThanOrEqual(denied);
          denied = after;
        }
      }),
    );
  });
});

describe('DESIGN §5: what an entry must not do', () => {
  it('stops matching when it lapses, and stays in size and digest until it is dropped', () => {
    const entry = anEntry({ lapses_at: now });
    const cache = filled([entry]);
    const context = { iss: 'https://idp.example', client_id: 'build-runner' };
    expect(idsFound(cache, context, now)).toEqual([entry.id]);
    expect(idsFound(cache, context, now + 1)).toEqual([]);
    expect([cache.size, cache.digest()]).toEqual([1, digestOf([entry])]);
    cache.apply({ v: 1, op: 'drop', id: entry.id, position: '7f3a9c01-2', committed_at_ms: 0 });
    expect([cache.size, cache.digest()]).toEqual([0, digestOf([])]);
  });

  it('ends with its lift even where it was found a moment before, and leaves its place to another', () => {
    const [first, second] = [
      anEntry({ match: { sub: 'ada' } }),
      anEntry({ id: `rev_${aUlid(2)}`, match: { sub: 'bob' } }),
    ];
    const cache = filled([first]);
    expect(idsFound(cache, { iss: 'x', sub: 'ada' }, now)).toEqual([first.id]);
    cache.apply({ v: 1, op: 'lift', id: first.id, position: '7f3a9c01-2', committed_at_ms: 0 });
    cache.apply(second);
    expect(idsFound(cache, { iss: 'x', sub: 'ada' }, now)).toEqual([]);
    expect(idsFound(cache, { iss: 'x', sub: 'bob' }, now)).toEqual([second.id]);
  });

  it('moves forward when its id is put again', () => {
    const entry = anEntry({ cut_off: now - 100 });
    const merged = { ...entry, position: '7f3a9c01-2', cut_off: now };
    const cache = filled([entry, merged]);
    expect([...cache.entries()]).toEqual([merged]);
    expect(cache.digest()).toBe(digestOf([merged]));
    expect(
      idsFound(cache, { iss: 'https://idp.example', client_id: 'build-runner', iat: now }, now),
    ).toHaveLength(1);
  });

  it.each([
    ['a version', { v: 2 }, 'unknown version 2'],
    ['a member', { match: { colour: 'red' } }, 'unknown match member "colour"'],
    ['a prototype', { match: JSON.parse('{"__proto__":"x"}') as object }, 'unknown match member "__proto__"'],
    ['a reach', { reach: 'galaxy' }, 'unknown reach "galaxy"'],
    ['an empty match', { match: {} }, 'match is empty'],
    ['no match', { match: null }, 'match is not an object'],
    ['a number for a name', { match: { sub: 7 } }, 'match is no short text'],
    ['a name beyond all tokens', { match: { sub: 'x'.repeat(16_385) } }, 'match is no short text'],
    ['a fraction of a second', { cut_off: 1.5 }, 'a time is not a whole number'],
    ['no time of commit', { committed_at_ms: null }, 'a time is not a whole number'],
    ['a basis', { cut_off_basis: 'moon' }, 'unknown cut_off_basis "moon"'],
    ['an obligation that is text', { step_up: 'now' }, 'step_up or restrict is not a small object'],
    ['a reason that is a list', { reason: [] }, 'reason, signal_id or agent is no short text'],
  ])(
    'is not applied when it has %s that is not understood, and is reported and counted',
    (_what, odd, why) => {
      const entry = { ...anEntry(), ...odd } as PutEntry;
      const cache = filled([entry]);
      expect(cache.lookup({ iss: 'https://idp.example', client_id: 'build-runner', sub: '7' }, now)).toEqual(
        [],
      );
      expect([...cache.refused()]).toEqual([{ id: entry.id, position: entry.position, why }]);
      expect(cache.digest()).toBe(digestOf([entry]));
      expect([...cache.entries()]).toEqual([entry]);
      cache.apply({ v: 1, op: 'lift', id: entry.id, position: '7f3a9c01-2', committed_at_ms: 0 });
      expect([cache.size, cache.refusedCount, cache.digest()]).toEqual([0, 0, digestOf([])]);
    },
  );

  it('denies when its effect is not known, and is kept as it was sent', () => {
    const entry = { ...anEntry(), effect: 'vaporise' } as unknown as PutEntry;
    const cache = filled([entry]);
    const found = cache.lookup({ iss: 'https://idp.example', client_id: 'build-runner' }, now);
    expect(found.map(({ effect }) => effect)).toEqual(['deny']);
    expect([...cache.entries()]).toEqual([entry]);
    expect([...cache.refused()]).toEqual([]);
  });
});

describe('DESIGN §5: orphans of an older epoch', () => {
  const orphan = anEntry({ id: `rev_${aUlid(5)}`, position: '0000aaaa-9' });
  const context = { iss: 'https://idp.example', client_id: 'build-runner' };

  it('go on being enforced, outside of size, digest and iteration, until they are forgotten', () => {
    const cache = createRevocationCache();
    cache.adoptOrphan(orphan);
    expect(idsFound(cache, context, now)).toEqual([orphan.id]);
    expect([cache.size, cache.digest(), [...cache.entries()]]).toEqual([0, digestOf([]), []]);
    expect([...cache.orphans()]).toEqual([orphan]);
    cache.forgetOrphan(orphan.id);
    expect(idsFound(cache, context, now)).toEqual([]);
  });

  it('are orphans no more when the hub puts their id, and end when it lifts it', () => {
    const cache = createRevocationCache();
    cache.adoptOrphan(orphan);
    const known = { ...orphan, position: '7f3a9c01-4' };
    cache.apply(known);
    expect([cache.orphanCount, cache.size, cache.digest()]).toEqual([0, 1, digestOf([known])]);
    cache.forgetOrphan(orphan.id);
    expect(idsFound(cache, context, now)).toEqual([orphan.id]);
  });
});

describe('the packed set under load', () => {
  it('finds every entry and no removed one while it grows, shrinks and grows again', () => {
    const cache = createRevocationCache();
    const jti = (number: number) => ({ iss: 'https://idp.example', jti: `token-${number}` });
    const put = (number: number) =>
      cache.apply(anEntry({ id: `rev_${aUlid(number)}`, position: `7f3a-${number}`, match: jti(number) }));
    const lift = (number: number) =>
      cache.apply({ v: 1, op: 'lift', id: `rev_${aUlid(number)}`, position: '7f3a-1', committed_at_ms: 0 });
    const found = (number: number) => cache.lookup(jti(number), now).length;
    let missed = 0;
    for (let number = 0; number < 20_000; number += 1) {
      put(number);
      // Also while entries are on their way from one table to the next.
      if (found((number * 7_919) % (number + 1)) !== 1) missed += 1;
    }
    expect(missed).toBe(0);
    for (let number = 0; number < 20_000; number += 1) if (number % 10 !== 0) lift(number);
    for (let number = 20_000; number < 30_000; number += 1) put(number);
    const wrong = Array.from({ length: 31_000 }, (_, number) => number).filter(
      (number) =>
        found(number) !==
        ((number < 20_000 && number % 10 === 0) || (number >= 20_000 && number < 30_000) ? 1 : 0),
    );
    expect(wrong).toEqual([]);
    expect(cache.size).toBe(12_000);
    expect([...cache.entries()]).toHaveLength(12_000);
  });

  it('meets each entry once while others come and go', () => {
    const cache = createRevocationCache();
    const put = (number: number) =>
      cache.apply(
        anEntry({ id: `rev_${aUlid(number)}`, match: { sub: `s${number % 7}`, client_id: `c${number}` } }),
      );
    for (let number = 0; number < 5_000; number += 1) put(number);
    const met: string[] = [];
    let step = 0;
    for (const { id } of cache.entries()) {
      met.push(id);
      step += 1;
      if (step % 2 === 0)
        cache.apply({
          v: 1,
          op: 'lift',
          id: `rev_${aUlid(step + 100_000)}`,
          position: '7f3a-1',
          committed_at_ms: 0,
        });
      if (step < 3_000) put(step + 100_000);
    }
    const steady = met.filter((id) => id < `rev_${aUlid(5_000)}`);
    expect(new Set(steady).size).toBe(5_000);
    expect(steady).toHaveLength(5_000);
  });

  it('stays exact when very many entries share all their values', () => {
    const cache = createRevocationCache();
    const ids = Array.from({ length: 300 }, (_, number) => `rev_${aUlid(number)}`);
    for (const id of ids) cache.apply(anEntry({ id }));
    for (const id of ids.filter((_, index) => index % 3 !== 0)) {
      cache.apply({ v: 1, op: 'lift', id, position: '7f3a-1', committed_at_ms: 0 });
    }
    const left = ids.filter((_, index) => index % 3 === 0);
    expect(idsFound(cache, { iss: 'https://idp.example', client_id: 'build-runner' }, now)).toEqual(left);
  });

  it('takes one entry of any shape and gives it back', () => {
    fc.assert(
      fc.property(someEntry('7f3a9c01-12'), fc.string({ unit: 'binary', maxLength: 300 }), (entry, text) => {
        const wide = {
          ...entry,
          match: { ...entry.match, sub: text },
          reason: text,
          signal_id: text,
          agent: text,
        };
        expect(filled([wide]).get(wide.id)).toEqual(wide);
      }),
    );
  });
});

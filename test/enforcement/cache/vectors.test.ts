import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { PutEntry } from '../../../src/core/feed.ts';
import { check } from '../../../src/core/match.ts';
import type { TokenContext } from '../../../src/core/token-context.ts';
import { createRevocationCache } from '../../../src/enforcement/cache.ts';
import { anEntry } from './entries.ts';

type Vectors = {
  readonly groups: readonly {
    readonly name: string;
    readonly now: number;
    readonly entries: readonly Partial<PutEntry>[];
    readonly not_applied?: readonly string[];
    readonly checks: readonly {
      readonly name: string;
      readonly context: TokenContext;
      readonly expect: { readonly effect: string; readonly matched: readonly string[] };
    }[];
  }[];
};

const file = new URL('../../vectors/matching.json', import.meta.url);
const { groups } = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

describe('test/vectors/matching.json binds the cache', () => {
  describe.each(groups)('$name', ({ now, entries, not_applied: notApplied = [], checks }) => {
    const cache = createRevocationCache();
    for (const entry of entries) cache.apply(anEntry(entry));

    it.each(checks)('$name', ({ context, expect: { effect, matched } }) => {
      const found = cache.lookup(context, now);
      const result = check(found, context, now);
      expect(result.effect).toBe(effect);
      expect(found.map(({ id }) => id).toSorted()).toEqual(matched.toSorted());
    });

    it('refuses what is not understood', () => {
      expect(Array.from(cache.refused(), ({ id }) => id)).toEqual(notApplied);
    });
  });

  it('was read whole', () => {
    expect(groups.flatMap(({ checks }) => checks).length).toBeGreaterThanOrEqual(110);
  });
});

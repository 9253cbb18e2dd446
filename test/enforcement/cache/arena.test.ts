import { describe, expect, it } from 'vitest';
import { allocate, blocks, createArena, release, type Ref } from '../../../src/enforcement/cache/arena.ts';

describe('the memory of the cache', () => {
  it('uses freed blocks again, so that coming and going costs no more than the most that was there', () => {
    const arena = createArena();
    const sizes = [12, 60, 61, 90, 130];
    const fill = (): Ref[] =>
      Array.from({ length: 20_000 }, (_, index) => allocate(arena, sizes[index % 5] ?? 12));
    let refs = fill();
    const chunks = arena.chunks.length;
    for (let round = 0; round < 5; round += 1) {
      for (const ref of refs) release(arena, ref);
      expect([...blocks(arena)]).toEqual([]);
      refs = fill();
    }
    expect(arena.chunks.length).toBe(chunks);
    expect(new Set(refs).size).toBe(20_000);
    expect([...blocks(arena)].toSorted((a, b) => a - b)).toEqual(refs.toSorted((a, b) => a - b));
  });
});

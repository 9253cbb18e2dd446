import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createHashIndex,
  findRef,
  type HashIndex,
  insertRef,
  removeRef,
} from '../../../src/enforcement/cache/hash-index.ts';

const hashOf = (ref: number): number => Math.imul(ref, 0x9e3779b1) >>> 0;
const has = (index: HashIndex, ref: number): boolean =>
  findRef(index, hashOf(ref), (found) => found === ref) === ref;

/** What is in the old table and has yet to be moved. */
const waiting = ({ draining }: HashIndex): number => draining?.tags.filter((tag) => tag > 1).length ?? 0;

describe('the index of the cache', () => {
  it('has room for all that waits in the table before, however much it shrinks and churns, and loses nothing', () => {
    const phase = fc.record({ grow: fc.nat(600), shrinkTo: fc.nat(60), churn: fc.nat(150) });
    fc.assert(
      fc.property(fc.array(phase, { minLength: 1, maxLength: 4 }), (phases) => {
        const index = createHashIndex(hashOf);
        const live: number[] = [];
        let next = 0;
        const put = () => {
          next += 1;
          insertRef(index, hashOf(next), next);
          live.push(next);
          const { tags, used } = index.current;
          // A full table is one in which a search for a free slot never ends: nothing but this can be asked of it.
          if (used + waiting(index) >= tags.length) throw new Error('no slot would be left');
        };
        const drop = () => {
          const ref = live.shift() ?? 0;
          removeRef(index, hashOf(ref), ref);
          if (has(index, ref)) throw new Error(`${ref} is still there`);
        };
        for (const { grow, shrinkTo, churn } of phases) {
          for (let step = 0; step < grow; step += 1) put();
          while (live.length > shrinkTo) drop();
          for (let step = 0; step < churn; step += 1) {
            put();
            drop();
          }
          expect(index.live).toBe(live.length);
          expect(live.filter((ref) => !has(index, ref))).toEqual([]);
        }
      }),
      { numRuns: 200 },
    );
  });
});

import { setImmediate as nextTurn } from 'node:timers/promises';

/** So long one turn of the event loop may be spent. */
const sliceMs = 4;
/** Steps between two looks at the clock. */
const stepsPerLook = 64;

/** Long work in short slices, so that requests are answered meanwhile. */
export type Slices = {
  /** Asked once for each small step. */
  readonly isOver: () => boolean;
  readonly next: () => Promise<void>;
};

export function createSlices(): Slices {
  let steps = 0;
  let end = performance.now() + sliceMs;
  return {
    isOver: () => {
      steps += 1;
      return steps % stepsPerLook === 0 && performance.now() >= end;
    },
    next: async () => {
      await nextTurn();
      end = performance.now() + sliceMs;
    },
  };
}

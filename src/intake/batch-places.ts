import { Problem } from '../core/problem.ts';

export type PlaceLimits = { readonly all: number; readonly ofSource: number };

/** A place of one batch; it is left when the first thing and all that were added have ended. */
export type Place = { until(ended: Promise<unknown>): void };

/**
 * Who may send a batch now: memory holds so many at a time, and one source does not take the places of all.
 *
 * @returns a function that takes a place. @throws Problem `rate-limited` when there is none.
 */
export function createPlaces(limits: PlaceLimits): (source: string, ended: Promise<unknown>) => Place {
  const taken = new Map<string, number>();
  const sum = (): number => [...taken.values()].reduce((all, one) => all + one, 0);

  const leave = (source: string): void => {
    const left = (taken.get(source) ?? 0) - 1;
    if (left > 0) taken.set(source, left);
    else taken.delete(source);
  };

  return (source, ended) => {
    const own = taken.get(source) ?? 0;
    if (own >= limits.ofSource || sum() >= limits.all) throw tooMany(limits);
    taken.set(source, own + 1);
    let waitsFor = 0;
    const until = (promise: Promise<unknown>): void => {
      waitsFor += 1;
      const over = (): void => {
        waitsFor -= 1;
        if (waitsFor === 0) leave(source);
      };
      void promise.then(over, over);
    };
    until(ended);
    return { until };
  };
}

const tooMany = ({ all, ofSource }: PlaceLimits): Problem =>
  new Problem('rate-limited', `The hub takes ${all} batches at a time, ${ofSource} of one source.`, {
    hint: 'Wait for the answer of one before the next. Nothing was taken.',
  });

/** Who has got what, and when: by a name that the entry carries. */
export type Arrivals = {
  /** So many are to get each. */
  readonly expect: (count: number) => void;
  readonly note: (marker: string, atMicros: number) => void;
  /** Resolves when all have it. Each marker can be asked for once. */
  readonly all: (marker: string) => Promise<readonly number[]>;
};

export function createArrivals(): Arrivals {
  const times = new Map<string, number[]>();
  const waiting = new Map<string, (times: readonly number[]) => void>();
  let expected = 0;
  const look = (marker: string): void => {
    const arrived = times.get(marker);
    const resolve = waiting.get(marker);
    if (!arrived || !resolve || arrived.length < expected) return;
    times.delete(marker);
    waiting.delete(marker);
    resolve(arrived);
  };
  return {
    expect: (count) => {
      expected = count;
    },
    note(marker, atMicros) {
      const arrived = times.get(marker) ?? [];
      times.set(marker, arrived);
      arrived.push(atMicros);
      look(marker);
    },
    all: (marker) =>
      new Promise((resolve) => {
        waiting.set(marker, resolve);
        look(marker);
      }),
  };
}

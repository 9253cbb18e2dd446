/** What readers got: when it was committed, on the wall clock, where that is told, and when each had it, on the machine's. */
export type Arrived = { readonly committedAtMs?: number; readonly atMicros: readonly number[] };

/** Who has got what, and when: by a name that the entry carries. */
export type Arrivals = {
  /** So many are to get each. */
  readonly expect: (count: number) => void;
  readonly note: (marker: string, atMicros: number, committedAtMs?: number) => void;
  /** Resolves when all have it. Each marker can be asked for once. */
  readonly all: (marker: string) => Promise<Arrived>;
};

export function createArrivals(): Arrivals {
  const entries = new Map<string, Arrived & { readonly atMicros: number[] }>();
  const waiting = new Map<string, (arrived: Arrived) => void>();
  let expected = 0;
  const look = (marker: string): void => {
    const arrived = entries.get(marker);
    const resolve = waiting.get(marker);
    if (!arrived || !resolve || arrived.atMicros.length < expected) return;
    entries.delete(marker);
    waiting.delete(marker);
    resolve(arrived);
  };
  return {
    expect: (count) => {
      expected = count;
    },
    note(marker, atMicros, committedAtMs) {
      const arrived = entries.get(marker) ?? {
        ...(committedAtMs === undefined ? {} : { committedAtMs }),
        atMicros: [],
      };
      entries.set(marker, arrived);
      arrived.atMicros.push(atMicros);
      look(marker);
    },
    all: (marker) =>
      new Promise((resolve) => {
        waiting.set(marker, resolve);
        look(marker);
      }),
  };
}

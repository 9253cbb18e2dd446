export type Closers = {
  /** To be closed before everything that was added earlier. */
  add(part: string, close: () => Promise<unknown> | void): void;
  /** Closes what was added, latest first. A part that fails keeps no other from closing. */
  readonly closeAll: () => Promise<void>;
};

/** What a process opened, so that it ends in the opposite order, also when it fails half-way through its start. */
export function createClosers(onError: (part: string, error: unknown) => void): Closers {
  const waiting: { readonly part: string; readonly close: () => Promise<unknown> | void }[] = [];
  return {
    add: (part, close) => void waiting.push({ part, close }),
    async closeAll() {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        try {
          await next.close();
        } catch (error) {
          onError(next.part, error);
        }
      }
    },
  };
}

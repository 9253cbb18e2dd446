/**
 * Does many alike in one go: what arrives while one batch is under way is the next. There is no timer; alone, an item is
 * done at once. A batch that fails fails all its items.
 */
export function createBatches<Item, Result>(
  run: (items: readonly Item[]) => Promise<(item: Item) => Result>,
  itemsMax: number,
): (item: Item) => Promise<Result> {
  type Waiting = { readonly item: Item; resolve(result: Result): void; reject(reason: unknown): void };
  let waiting: Waiting[] = [];
  let running = false;

  async function runAll(): Promise<void> {
    if (running) return;
    running = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, itemsMax);
      waiting = waiting.slice(itemsMax);
      try {
        const resultOf = await run(batch.map(({ item }) => item));
        for (const { item, resolve } of batch) resolve(resultOf(item));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      void runAll();
    });
}

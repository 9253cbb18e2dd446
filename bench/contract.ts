/** What one number is counted in. Of `µs`, `ms` and `bytes` less is better, of `/s` more. */
export type Unit = 'µs' | 'ms' | '/s' | 'bytes';

/** One line of the result: what the hub or its library needs for something, and what the yardstick beside it needs, in turns within one run. */
export type Line = {
  /** What was done, with its size. */
  readonly what: string;
  readonly figure: string;
  readonly unit: Unit;
  /** One value per round; the same index in both lists is the same round. */
  readonly ours: readonly number[];
  readonly baseline: { readonly name: string; readonly values: readonly number[] };
  readonly budget?: Budget;
};

/** What DESIGN §15 asks of a line. `ratio` is ours over baseline; both are medians. */
export type Budget = {
  readonly text: string;
  readonly holds: (ratio: number, ours: number) => boolean;
};

export type Row = {
  /** As `--only` names it. */
  readonly name: string;
  readonly title: string;
  readonly durability: string;
  readonly algorithm: string;
  readonly run: (settings: Settings) => Promise<RowResult>;
};

export type RowResult = { readonly lines: readonly Line[]; readonly notes?: readonly string[] };

export type Settings = {
  /** A tenth of the size and a third of the rounds: to see that it runs. */
  readonly quick: boolean;
  readonly progress: (text: string) => void;
};

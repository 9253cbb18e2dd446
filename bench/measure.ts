import { setImmediate as nextTurn } from 'node:timers/promises';

/** Runs once and answers how much it did per second, or how long it took: a number of the line's unit. */
export type Contestant = () => number | Promise<number>;

/**
 * Lets every contestant run once without counting, then one after the other, round after round: what disturbs the
 * machine for a while disturbs all of them. Answers a value per contestant and round.
 */
export async function inTurns<Name extends string>(
  rounds: number,
  contestants: Readonly<Record<Name, Contestant>>,
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const entries = Object.entries<Contestant>(contestants);
  const values = new Map<string, number[]>(entries.map(([name]) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, run] of entries) {
      await nextTurn();
      const value = await run();
      if (round > 0) values.get(name)?.push(value);
    }
  }
  return Object.fromEntries(values) as Record<string, readonly number[]> as Record<Name, readonly number[]>;
}

/**
 * How often `work` is done in a second of processor time, one after the other. All threads of this process count, those
 * that collect garbage too; what other processes take from the machine does not.
 */
export async function perSecond(times: number, work: (index: number) => unknown): Promise<number> {
  const started = process.cpuUsage();
  for (let index = 0; index < times; index += 1) await work(index);
  return rateSince(started, times);
}

/** The same for work that is over when it returns. */
export function perSecondSync(times: number, work: (index: number) => void): number {
  const started = process.cpuUsage();
  for (let index = 0; index < times; index += 1) work(index);
  return rateSince(started, times);
}

function rateSince(started: NodeJS.CpuUsage, times: number): number {
  const { user, system } = process.cpuUsage(started);
  return (times * 1_000_000) / (user + system);
}

/** The smallest value that this share of all does not exceed; `share` from 0 to 1. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new RangeError('a percentile of nothing');
  return value;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new RangeError('a median of nothing');
  return (low + high) / 2;
}

/** Microseconds on a clock that all processes of this machine share. */
export const machineMicros = (): number => Number(process.hrtime.bigint() / 1_000n);

/** What the wall clock says at such a time, in milliseconds. */
export const wallMsAt = (atMicros: number): number =>
  performance.timeOrigin + performance.now() - (machineMicros() - atMicros) / 1_000;

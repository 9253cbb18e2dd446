import { setTimeout as sleep } from 'node:timers/promises';
import { type CliProblem, isCliProblem } from '../cli-problem.ts';
import type { CommandContext } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Hub } from '../hub.ts';
import { followFeed } from './follow-feed.ts';
import { pollReports, pollSignals } from './poll.ts';
import { lineOf, type Sight } from './sights.ts';

/** What each part of watching works with. */
export type Watching = {
  readonly hub: Hub;
  readonly stop: AbortSignal;
  readonly nowMs: () => number;
  readonly see: (sight: Sight) => void;
  readonly note: (line: string) => void;
  /** Resolves when the feed brought something new, when it is time to end, and after so long. */
  readonly moved: (atMostMs: number) => Promise<void>;
};

/** One part; resolves when its connection ended and it is to begin again. */
export type Part = (watching: Watching, memory: Memory) => Promise<void>;

/** What a part keeps while the hub is away. */
export type Memory = {
  /** Where the feed goes on. */
  cursor?: string | undefined;
  /** Ids of what was shown, oldest first; absent until the first look, which shows nothing. */
  shown?: Set<string>;
  /** The last attempt got an answer. */
  answered?: boolean;
};

const parts: readonly (readonly [what: string, part: Part])[] = [
  ['revocations', followFeed],
  ['signals', pollSignals],
  ['reports', pollReports],
];
const waitMinMs = 500;
const waitMaxMs = 10_000;

/**
 * Follows everything that the token may read, until `stop`. What it may not read is said once and left out.
 *
 * @throws CliProblem when the hub refuses the token, or all of it.
 */
export async function watchAll(
  { screen, surroundings }: CommandContext,
  hub: Hub,
  stop: AbortSignal,
): Promise<void> {
  const end = new AbortController();
  const ended = AbortSignal.any([stop, end.signal]);
  let wake = new AbortController();
  const watching: Watching = {
    hub,
    stop: ended,
    nowMs: surroundings.nowMs,
    note: screen.note,
    see(sight) {
      screen.append(sight, () => lineOf(sight, screen));
      if (sight.kind !== 'entry') return;
      wake.abort();
      wake = new AbortController();
    },
    moved: (atMostMs) => pause(atMostMs, AbortSignal.any([ended, wake.signal])),
  };
  try {
    const refusals = await Promise.all(parts.map(([what, part]) => keepUp(what, part, watching)));
    const [first] = refusals;
    if (first !== undefined && refusals.every((refusal) => refusal !== undefined)) throw first;
  } finally {
    end.abort();
  }
}

/** Begins again with growing waits while the hub is away. Resolves at `stop`, or with the refusal for want of a scope. */
async function keepUp(what: string, part: Part, watching: Watching): Promise<CliProblem | undefined> {
  const { stop, note } = watching;
  const memory: Memory = {};
  let waitMs = waitMinMs;
  while (!stop.aborted) {
    memory.answered = false;
    try {
      await part(watching, memory);
    } catch (error) {
      if (stop.aborted) return undefined;
      const problem = isCliProblem(error) ? error : undefined;
      if (problem?.code === 'insufficient-scope') {
        note(`The ${what} are not shown: ${problem.message}`);
        return problem;
      }
      if (problem !== undefined && problem.exitCode !== exitCodes.unreachable) throw problem;
      note(`${problem?.message ?? 'The connection broke.'} Looking for the ${what} again.`);
    }
    waitMs = memory.answered ? waitMinMs : Math.min(waitMs * 2, waitMaxMs);
    await pause(waitMs * (0.5 + Math.random() / 2), stop);
  }
  return undefined;
}

const pause = (ms: number, stop: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal: stop }).catch(() => undefined);

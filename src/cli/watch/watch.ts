import { type CliProblem, isCliProblem } from '../cli-problem.ts';
import type { CommandContext } from '../command.ts';
import { type Following, keepUp, type Memory, pause } from '../follow.ts';
import type { Hub } from '../hub.ts';
import { followFeed } from './follow-feed.ts';
import { followReports, followSignals } from './follow-lists.ts';
import { lineOf, type Sight } from './sights.ts';

/** What each part of watching works with; an entry of the feed moves the others. */
export type Watching = Following & { readonly see: (sight: Sight) => void };

/** One part; resolves when its connection ended and it is to begin again. */
type Part = (watching: Watching, memory: Memory) => Promise<void>;

const parts: readonly (readonly [what: string, part: Part])[] = [
  ['revocations', followFeed],
  ['signals', followSignals],
  ['reports', followReports],
];

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
    const refusals = await Promise.all(parts.map(([what, part]) => followPart(what, part, watching)));
    const [first] = refusals;
    if (first !== undefined && refusals.every((refusal) => refusal !== undefined)) throw first;
  } finally {
    end.abort();
  }
}

/** Resolves at `stop`, or with the refusal for want of a scope: the other parts go on. */
async function followPart(what: string, part: Part, watching: Watching): Promise<CliProblem | undefined> {
  try {
    await keepUp(what, (memory) => part(watching, memory), watching);
    return undefined;
  } catch (error) {
    if (!isCliProblem(error) || error.code !== 'insufficient-scope') throw error;
    watching.note(`The ${what} are not shown: ${error.message}`);
    return error;
  }
}

import { isCliProblem } from './cli-problem.ts';
import { readEvents } from './events.ts';
import { type Hub, path } from './hub.ts';
import type { Enforcement } from './wire.ts';

/**
 * Tells each state of a signal at the points, until every point has confirmed, until there is none, until `stop`, or for so
 * long.
 *
 * @returns the last state; absent when not even the first was seen, after `onTrouble` heard why.
 */
export async function followEnforcement(
  hub: Hub,
  signalId: string,
  follow: {
    readonly stop: AbortSignal;
    readonly atMostMs: number;
    readonly onState: (state: Enforcement) => void;
    readonly onTrouble: (text: string) => void;
  },
): Promise<Enforcement | undefined> {
  const { stop, atMostMs, onState, onTrouble } = follow;
  let last: Enforcement | undefined;
  // Not by AbortSignal.timeout: on Node 20 one that only AbortSignal.any holds is collected before it fires.
  const time = new AbortController();
  const timer = setTimeout(() => time.abort(), atMostMs);
  const ended = AbortSignal.any([stop, time.signal]);
  try {
    const body = await hub.open(path`/v1/signals/${signalId}/enforcement`, { stop: ended });
    for await (const { data } of readEvents(body)) {
      last = JSON.parse(data) as Enforcement;
      onState(last);
      if (last.state === 'complete' || last.state === 'no_points') break;
    }
  } catch (error) {
    if (!ended.aborted)
      onTrouble(isCliProblem(error) ? error.message : 'The hub left while the points were watched.');
  } finally {
    clearTimeout(timer);
  }
  return last;
}

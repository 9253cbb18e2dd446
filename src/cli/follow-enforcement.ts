import { isCliProblem } from './cli-problem.ts';
import { readEvents } from './events.ts';
import { type Hub, path } from './hub.ts';
import type { Enforcement } from './wire.ts';

/**
 * Tells each state of a signal at the points, until every point has confirmed, until there is none, or until `stop`.
 *
 * @returns the last state; absent when not even the first was seen, after `onTrouble` heard why.
 */
export async function followEnforcement(
  hub: Hub,
  signalId: string,
  follow: {
    readonly stop: AbortSignal;
    readonly onState: (state: Enforcement) => void;
    readonly onTrouble: (text: string) => void;
  },
): Promise<Enforcement | undefined> {
  const { stop, onState, onTrouble } = follow;
  let last: Enforcement | undefined;
  try {
    const body = await hub.open(path`/v1/signals/${signalId}/enforcement`, { stop });
    for await (const { data } of readEvents(body)) {
      last = JSON.parse(data) as Enforcement;
      onState(last);
      if (last.state === 'complete' || last.state === 'no_points') break;
    }
  } catch (error) {
    if (!stop.aborted)
      onTrouble(isCliProblem(error) ? error.message : 'The hub left while the points were watched.');
  }
  return last;
}

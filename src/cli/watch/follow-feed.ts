import type { FeedEntry, Hello } from '../../core/feed.ts';
import { isCliProblem } from '../cli-problem.ts';
import { readEvents } from '../events.ts';
import type { Memory } from '../follow.ts';
import type { Watching } from './watch.ts';

/** The hub sends a heartbeat each second: a connection that is silent for so long is dead. */
const silenceMs = 15_000;

/** Entries as they are committed; without a gap over a lost connection. */
export async function followFeed(watching: Watching, memory: Memory): Promise<void> {
  const { hub, note, see, stop } = watching;
  const silent = new AbortController();
  const alarm = setTimeout(() => silent.abort(), silenceMs);
  try {
    const body = await hub.open('/v1/feed', {
      stop: AbortSignal.any([stop, silent.signal]),
      ...(memory.cursor !== undefined && { lastEventId: memory.cursor }),
    });
    memory.answered = true;
    for await (const { event, id, data } of readEvents(body)) {
      alarm.refresh();
      // A feed that was quiet until it was lost goes on from where it began.
      if (event === 'hello') memory.cursor ??= (JSON.parse(data) as Hello).from;
      if (event !== 'put' && event !== 'lift' && event !== 'drop') continue;
      const entry = JSON.parse(data) as FeedEntry;
      see({ kind: 'entry', at_ms: entry.committed_at_ms, entry });
      // Not before it was read and shown: what breaks off here is to come again.
      if (id !== undefined && id !== '') memory.cursor = id;
    }
  } catch (error) {
    if (!isCliProblem(error) || error.code !== 'feed-position-gone') throw error;
    memory.cursor = undefined;
    note('The feed cannot be resumed where it was lost: revocations may be missing from what is shown.');
  } finally {
    clearTimeout(alarm);
  }
}

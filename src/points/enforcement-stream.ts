import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { EnforcementState } from './enforcement-summary.ts';
import { endSocket, takeEventSocket } from './feed-stream.ts';
import { feedLimits } from './feed-limits.ts';
import { toEnforcementReply } from './schemas.ts';

/** Proxies cut what is silent. */
const commentEveryMs = 10_000;
const ageMsMax = 3_600_000;

/** Writes each state as an event, and ends with the last. A client that leaves, or reads nothing, ends it too. */
export async function streamEnforcement(
  response: ServerResponse,
  states: AsyncGenerator<EnforcementState>,
  stop: AbortController,
): Promise<void> {
  const socket = takeEventSocket(response);
  if (socket === undefined) {
    await states.return(undefined);
    return;
  }
  socket.once('close', () => stop.abort());
  const age = setTimeout(() => stop.abort(), ageMsMax);
  const comments = setInterval(() => {
    if (socket.writableNeedDrain) socket.destroy();
    else socket.write(': still here\n\n');
  }, commentEveryMs);
  try {
    for await (const state of states) {
      const data = JSON.stringify(toEnforcementReply(state));
      if (!socket.write(`event: enforcement\ndata: ${data}\n\n`))
        await once(socket, 'drain', { signal: stop.signal });
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearTimeout(age);
    clearInterval(comments);
    endSocket(socket, feedLimits.stalledMsMax);
  }
}

import type { Stream } from '../core/stream.ts';
import type { Millis } from '../core/vocabulary.ts';
import { type SetMaker, streamUpdatedSet } from './control-sets.ts';
import { withStatus } from './manage.ts';
import type { StreamChange, StreamStore } from './ports.ts';

/** Streams of one look. */
const batchMax = 100;

/** Pauses streams whose receiver was not heard of for their `inactivity_timeout`, and tells it. @see SSF 1.0 §8.1.1 */
export const createPauseInactive =
  (
    options: SetMaker & {
      readonly store: Pick<StreamStore, 'listInactive' | 'update'>;
      readonly nowMs: () => Millis;
    },
  ) =>
  async (stop: AbortSignal): Promise<void> => {
    const { store, nowMs } = options;
    for (const id of await store.listInactive(nowMs(), batchMax)) {
      if (stop.aborted) return;
      const atMs = nowMs();
      await store.update(id, (stream) => pause(stream, atMs, options), { actor: 'hub', atMs });
    }
  };

/** It may have been heard of since. */
function pause(stream: Stream, atMs: Millis, maker: SetMaker): StreamChange | undefined {
  const { inactivityTimeoutSeconds: timeout, lastActivityAtMs } = stream;
  if (stream.status !== 'enabled' || timeout === undefined) return undefined;
  if (lastActivityAtMs + timeout * 1_000 >= atMs) return undefined;
  return changedByHub(
    stream,
    withStatus(stream, 'paused', `no activity for ${timeout} seconds`),
    atMs,
    maker,
  );
}

/** A change of status that its receiver did not ask for goes out before the stream stops. @see SSF 1.0 §8.1.5 */
export function changedByHub(
  before: Stream,
  change: StreamChange,
  atMs: Millis,
  maker: SetMaker,
): StreamChange {
  const stream = { ...change.stream, updatedAtMs: atMs };
  if (before.status === stream.status) return { ...change, stream };
  return { ...change, stream, sets: [streamUpdatedSet(stream, atMs, maker)] };
}

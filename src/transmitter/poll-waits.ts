import { coalesce } from '../core/coalesce.ts';
import type { Millis, StreamId } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { FindToTake } from './delivery-ports.ts';

/** Below what proxies in between wait for. */
const waitMsMax = 25_000;
/** Whatever a wake-up lost is found by looking. */
const lookEveryMs = 2_000;

/** One poll that waits. */
export type Wait = {
  /** It has waited long enough, was replaced by a newer one, or is to stop. */
  readonly isOver: () => boolean;
  /** Until there may be something to take, or the wait is over. At once for what came since it was asked before. */
  readonly rings: () => Promise<void>;
  readonly close: () => void;
};

export type PollWaits = {
  /** Of one stream one poll waits at a time: a newer one sends the older away. */
  begin(streamId: StreamId, stop: AbortSignal): Wait;
  close(): void;
};

/**
 * Polls that wait. A wake-up says only that something was put on its way, and not for whom: the node looks once for all
 * streams that are waited for, and wakes those that have something.
 *
 * @see DESIGN §14, 4
 */
export function createPollWaits(ports: {
  readonly findToTake: FindToTake;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly nowMs: () => Millis;
  readonly onError: (error: unknown) => void;
}): PollWaits {
  const waiting = new Map<StreamId, Bell>();

  const look = coalesce(async () => {
    if (waiting.size === 0) return;
    try {
      for (const id of await ports.findToTake([...waiting.keys()], ports.nowMs())) waiting.get(id)?.ring();
    } catch (error) {
      ports.onError(error);
    }
  });
  const wake = () => void look();
  const unsubscribes = [
    ports.announcer.subscribe('deliveries', wake),
    ports.announcer.subscribe('streams', wake),
  ];
  const looks = setInterval(wake, lookEveryMs);

  return {
    begin(streamId, stop) {
      const bell = createBell();
      waiting.get(streamId)?.end();
      waiting.set(streamId, bell);
      const tooLong = setTimeout(bell.end, waitMsMax);
      stop.addEventListener('abort', bell.end);
      if (stop.aborted) bell.end();
      return {
        isOver: bell.isOver,
        rings: bell.rings,
        close() {
          clearTimeout(tooLong);
          stop.removeEventListener('abort', bell.end);
          if (waiting.get(streamId) === bell) waiting.delete(streamId);
        },
      };
    },
    close() {
      for (const unsubscribe of unsubscribes) unsubscribe();
      clearInterval(looks);
      for (const bell of waiting.values()) bell.end();
    },
  };
}

type Bell = ReturnType<typeof createBell>;

/** No composed `AbortSignal`: Node 20 may collect one that somebody waits for, who then waits for ever. */
function createBell() {
  let isOver = false;
  let rang = false;
  let heard = (): void => undefined;
  const ring = (): void => {
    rang = true;
    heard();
  };
  return {
    ring,
    end(): void {
      isOver = true;
      ring();
    },
    isOver: () => isOver,
    async rings(): Promise<void> {
      if (!rang) await new Promise<void>((resolve) => (heard = resolve));
      rang = false;
    },
  };
}

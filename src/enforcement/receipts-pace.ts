/** Sends again and again: at once when urged, else at a pace; one at a time; after a failure later and later. */
export type Pacer = {
  readonly urge: () => void;
  /** Ends what is under way. */
  readonly close: () => Promise<void>;
};

export type PacerOptions = {
  readonly firstPaceMs: number;
  /** Resolves with the milliseconds until the next. */
  readonly send: (stop: AbortSignal) => Promise<number>;
  /** Told once for a row of failures. */
  readonly onFailure: (cause: unknown) => void;
};

const retryMsMin = 200;
const retryMsMax = 30_000;

/** Nothing is sent before the first `urge`. */
export function createPacer({ firstPaceMs, send, onFailure }: PacerOptions): Pacer {
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let urged = false;
  let failures = 0;

  const plan = (waitMs: number): void => {
    clearTimeout(timer);
    if (ended.signal.aborted) return;
    timer = setTimeout(start, waitMs);
    timer.unref();
  };
  const run = async (): Promise<void> => {
    urged = false;
    let waitMs = firstPaceMs;
    try {
      waitMs = await send(ended.signal);
      failures = 0;
    } catch (cause) {
      if (ended.signal.aborted) return;
      failures += 1;
      waitMs = backoffMs(failures, retryMsMin, retryMsMax);
      if (failures === 1) onFailure(cause);
    }
    running = undefined;
    // Urged while it was under way: what it said may be outdated. After a failure the wait stands.
    if (urged && failures === 0) start();
    else plan(waitMs);
  };
  const start = (): void => {
    if (running || ended.signal.aborted) return;
    clearTimeout(timer);
    running = run();
  };

  return {
    urge: () => {
      urged = true;
      if (failures === 0) start();
    },
    close: async () => {
      ended.abort();
      clearTimeout(timer);
      await running;
    },
  };
}

/** Twice as long after each failure, up to a limit, and by chance between half and all of it. */
export function backoffMs(failures: number, min: number, max: number): number {
  const whole = Math.min(max, min * 2 ** Math.min(failures - 1, 20));
  return whole * (0.5 + Math.random() / 2);
}

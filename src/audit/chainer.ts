import { linkHash } from './chain.ts';
import type { AuditChainStore } from './ports.ts';

/** Rows of one transaction: small, as nothing else writes to an embedded database meanwhile. */
const rowsPerStep = 200;
/** Between two steps while there is more to do, so that kills come between. */
const pauseMs = 20;
/** How soon after a commit it is looked for: often enough for the second that is promised, seldom enough to stay out of the way of kills. */
const lookEveryMs = 500;

export type Chainer = { close(): Promise<void> };

/** Chains what was committed. Runs on every node; the store sees to it that one of them wins. */
export function startChainer(options: {
  readonly store: Pick<AuditChainStore, 'extend'>;
  readonly onError: (error: unknown) => void;
}): Chainer {
  const { store, onError } = options;
  let timer: NodeJS.Timeout | undefined;
  let step: Promise<void> | undefined;
  let closed = false;

  function lookAgain(afterMs: number): void {
    if (closed) return;
    timer = setTimeout(() => {
      step = run();
    }, afterMs);
  }

  async function run(): Promise<void> {
    const chained = await store.extend(rowsPerStep, linkHash).catch((error: unknown) => {
      onError(error);
      return 0;
    });
    step = undefined;
    lookAgain(chained === rowsPerStep ? pauseMs : lookEveryMs);
  }

  lookAgain(0);
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await step;
    },
  };
}

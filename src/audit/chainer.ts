import type { Announcer, Topic } from '../pipeline/ports.ts';
import { linkHash } from './chain.ts';
import type { AuditChainStore } from './ports.ts';

/** Rows of one transaction: small, as nothing else writes to an embedded database meanwhile. */
const rowsPerStep = 200;
/** Between two steps while there is more to do, so that kills come between. */
const pauseMs = 20;
/** Catches what a lost wake-up left, and what was written without one: within a second of its commit. */
const sweepMs = 500;

/** Whatever is announced was audited in the same transaction. */
const wakingTopics: readonly Topic[] = ['signals', 'tokens', 'configuration'];

export type Chainer = { close(): Promise<void> };

/** Chains what was committed. Runs on every node; the store sees to it that one of them wins. */
export function startChainer(options: {
  readonly store: Pick<AuditChainStore, 'extend'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (error: unknown) => void;
}): Chainer {
  const { store, announcer, onError } = options;
  let timer: NodeJS.Timeout | undefined;
  let step: Promise<void> | undefined;
  let closed = false;

  function wake(afterMs: number): void {
    if (closed || step !== undefined) return;
    clearTimeout(timer);
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
    wake(chained === rowsPerStep ? pauseMs : sweepMs);
  }

  const endings = wakingTopics.map((topic) => announcer.subscribe(topic, () => wake(pauseMs)));
  wake(0);
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      for (const end of endings) end();
      await step;
    },
  };
}

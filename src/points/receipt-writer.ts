import type { Announcer } from '../pipeline/ports.ts';
import type { InstanceName } from './instance-name.ts';
import {
  type Alert,
  batchMax,
  type FedLease,
  type FirstDenial,
  type Instance,
  type Receipt,
  type ReceiptBatch,
  type ReceiptStore,
} from './ports.ts';

/** Rows are written at most this often. */
const writeEveryMs = 200;
/** An instance that has nothing to tell but that it is there is written this often. */
const seenEveryMs = 2_000;
/** Kept while the database is away; beyond it the oldest receipts are dropped, and healed by the next. */
const waitingMax = 20_000;

/** Collects what receipts change and writes it in batches. Never makes a receipt wait. */
export type ReceiptWriter = {
  write(instance: Instance, receipt: Receipt | undefined, denials: readonly FirstDenial[]): void;
  writeFed(lease: FedLease): void;
  forget(named: InstanceName): void;
  close(): Promise<void>;
};

type Waiting = {
  readonly instances: Map<string, Instance>;
  readonly receipts: Receipt[];
  readonly denials: FirstDenial[];
  readonly fed: Map<string, FedLease>;
};

export function createReceiptWriter(options: {
  readonly store: Pick<ReceiptStore, 'write'>;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly alert: Alert;
}): ReceiptWriter {
  const waiting: Waiting = { instances: new Map(), receipts: [], denials: [], fed: new Map() };
  const written = new Map<string, Instance>();
  let timer: NodeJS.Timeout | undefined;
  let failing = false;

  async function flush(): Promise<void> {
    const batch = takeBatch(waiting);
    try {
      await options.store.write(batch);
      failing = false;
      options.announcer.announce('receipts');
    } catch (cause) {
      if (!failing) options.alert('receipts-unwritten', { why: String(cause) });
      failing = true;
      putBack(waiting, batch);
    }
  }

  function schedule(): void {
    timer ??= setTimeout(() => {
      void flush().then(() => {
        timer = undefined;
        if (!isEmpty(waiting)) schedule();
      });
    }, writeEveryMs);
  }

  return {
    write(instance, receipt, denials) {
      const key = keyOf(instance);
      if (receipt === undefined && denials.length === 0 && !tellsMore(instance, written.get(key))) return;
      written.set(key, instance);
      waiting.instances.set(key, instance);
      if (receipt) waiting.receipts.push(receipt);
      waiting.denials.push(...denials);
      waiting.receipts.splice(0, waiting.receipts.length - waitingMax);
      waiting.denials.splice(0, waiting.denials.length - waitingMax);
      schedule();
    },
    writeFed(lease) {
      waiting.fed.set(keyOf(lease), lease);
      schedule();
    },
    forget: (named) => void written.delete(keyOf(named)),
    async close() {
      clearTimeout(timer);
      while (!isEmpty(waiting) && !failing) await flush();
    },
  };
}

/** Compared with what was last handed over to be written. */
function tellsMore(now: Instance, before: Instance | undefined): boolean {
  return (
    before === undefined ||
    now.lastSeenMs - before.lastSeenMs >= seenEveryMs ||
    now.leftAtMs !== before.leftAtMs ||
    now.appliedSeq !== before.appliedSeq ||
    now.appliedEpoch !== before.appliedEpoch ||
    judgedBy(now) !== judgedBy(before)
  );
}

const judgedBy = ({ reported: { divergent = false, refused = [], cannot = [] } }: Instance): string =>
  JSON.stringify([divergent, refused, cannot]);

const keyOf = ({ point, instance }: { readonly point: string; readonly instance: string }): string =>
  `${point}/${instance}`;

const isEmpty = ({ instances, receipts, denials, fed }: Waiting): boolean =>
  instances.size + receipts.length + denials.length + fed.size === 0;

const takeBatch = (waiting: Waiting): ReceiptBatch => ({
  instances: takeFrom(waiting.instances),
  receipts: waiting.receipts.splice(0, batchMax),
  denials: waiting.denials.splice(0, batchMax),
  fed: takeFrom(waiting.fed),
});

function takeFrom<T>(map: Map<string, T>): readonly T[] {
  const taken = [...map].slice(0, batchMax);
  for (const [key] of taken) map.delete(key);
  return taken.map(([, value]) => value);
}

/** What came in meanwhile is newer. */
function putBack(waiting: Waiting, { instances, receipts, denials, fed }: ReceiptBatch): void {
  for (const instance of instances) {
    if (!waiting.instances.has(keyOf(instance))) waiting.instances.set(keyOf(instance), instance);
  }
  for (const lease of fed) if (!waiting.fed.has(keyOf(lease))) waiting.fed.set(keyOf(lease), lease);
  waiting.receipts.unshift(...receipts);
  waiting.denials.unshift(...denials);
}

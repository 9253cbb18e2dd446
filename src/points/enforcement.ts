import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from '../core/problem.ts';
import type { Millis } from '../core/vocabulary.ts';
import { within } from '../enforcement/within.ts';
import type { EnforceableSignal } from '../http/signal-answer.ts';
import { type EnforcementState, type EnforcementSummary, enforcementOf } from './enforcement-summary.ts';
import type { FeedMemory } from './feed-memory.ts';
import type { Evidence } from './instance-state.ts';
import type { Clock, Instance, Receipt, ReceiptStore, SignalEntries } from './ports.ts';
import type { ReceiptBook } from './receipt-book.ts';

/** Receipts of many instances arrive together: they are counted together. */
const settleMs = 5;
/** States also change with time: a silent instance closes. */
const lookAgainMs = 250;
const watchesMax = 200;

/** Who enforces the entries of a signal. */
export type EnforcementView = {
  state(signal: EnforceableSignal): Promise<EnforcementState>;
  /** Who enforces all that was put and lifted by now. */
  atHead(): Promise<EnforcementState>;
  /** Resolves when it is complete, when nobody is there to wait for, at the timeout, at `stop`, or when too many wait. */
  wait(signal: EnforceableSignal, timeoutMs: Millis, stop?: AbortSignal): Promise<EnforcementSummary>;
  /** The state now, and whenever it has changed, until it is complete or at `stop`. @throws Problem `too-many-connections` */
  watch(signal: EnforceableSignal, stop: AbortSignal): AsyncGenerator<EnforcementState>;
};

export type EnforcementOptions = {
  readonly memory: FeedMemory;
  readonly book: ReceiptBook;
  readonly store: Pick<ReceiptStore, 'readFirstReceipts' | 'readSignalEntries'>;
  readonly clock: Clock;
};

export function createEnforcementView(options: EnforcementOptions): EnforcementView {
  let watchers = 0;

  async function stateAt(lastSeq: number, entries: SignalEntries): Promise<EnforcementState> {
    return evaluate(options, entries, lastSeq, await readReceipts(options, lastSeq));
  }

  const state = async (signal: EnforceableSignal): Promise<EnforcementState> =>
    stateAt(signal.lastSeq, await entriesOf(options, signal));

  async function* follow(signal: EnforceableSignal, stop: AbortSignal): AsyncGenerator<EnforcementState> {
    watchers++;
    const { lastSeq } = signal;
    const changes = followChanges(options.book, stop);
    try {
      const entries = await entriesOf(options, signal);
      let receipts = await readReceipts(options, lastSeq);
      let told = '';
      while (!stop.aborted) {
        if (changes.takeElsewhere()) receipts = await readReceipts(options, lastSeq);
        const now = evaluate(options, entries, lastSeq, receipts);
        const text = JSON.stringify(now);
        if (text !== told) yield now;
        told = text;
        if (now.summary.state === 'complete') return;
        await changes.next();
      }
    } finally {
      watchers--;
      changes.end();
    }
  }

  async function wait(
    signal: EnforceableSignal,
    timeoutMs: Millis,
    stop?: AbortSignal,
  ): Promise<EnforcementSummary> {
    let latest: EnforcementSummary | undefined;
    if (watchers < watchesMax) {
      await within(stop, timeoutMs, async (either) => {
        for await (const { summary } of follow(signal, either)) {
          latest = summary;
          if (summary.state === 'no_points') return;
        }
      });
    }
    return latest ?? (await state(signal)).summary;
  }

  return {
    state,
    wait,
    atHead: () => stateAt(options.memory.tail.head, { committedAtMs: options.clock.nowMs(), puts: [] }),
    watch(signal, stop) {
      if (watchers >= watchesMax) {
        throw new Problem(
          'too-many-connections',
          `${watchesMax} others follow the enforcement of signals already.`,
        );
      }
      return follow(signal, stop);
    },
  };
}

export const nothingToEnforce = (): Problem =>
  new Problem('conflict', 'The signal has put and lifted nothing: there is nothing to enforce.', {
    hint: 'It may be held, unresolved or only recorded: GET /v1/signals/{id} says what became of it.',
  });

/** By instance. What the table says of the past; what came in since is in the book. */
type FirstReceipts = ReadonlyMap<string, Receipt>;

async function readReceipts({ store }: EnforcementOptions, lastSeq: number): Promise<FirstReceipts> {
  const receipts = await store.readFirstReceipts(lastSeq);
  return new Map(receipts.map((receipt) => [keyOf(receipt), receipt]));
}

/** Nobody is said to have closed in time for what is not known. */
async function entriesOf(
  { store, clock }: EnforcementOptions,
  signal: EnforceableSignal,
): Promise<SignalEntries> {
  return (await store.readSignalEntries(signal)) ?? { committedAtMs: clock.nowMs(), puts: [] };
}

function evaluate(
  { memory, book, clock }: EnforcementOptions,
  entries: SignalEntries,
  lastSeq: number,
  receipts: FirstReceipts,
): EnforcementState {
  const evidenceOf = (instance: Instance): Evidence => {
    const receipt = book.firstReceipt(instance, lastSeq) ?? receipts.get(keyOf(instance));
    return {
      applied: instance.appliedEpoch === memory.tail.epoch && (instance.appliedSeq ?? -1) >= lastSeq,
      ...(receipt && { appliedAtMs: receipt.receivedAtMs }),
    };
  };
  return enforcementOf(book.points(), book.instancesOf, entries, evidenceOf, clock.nowMs());
}

const keyOf = ({ point, instance }: { readonly point: string; readonly instance: string }): string =>
  `${point}/${instance}`;

/** Tells of changes, a few milliseconds' worth at a time. None is lost between two looks. */
function followChanges(book: ReceiptBook, stop: AbortSignal) {
  let changed = false;
  let elsewhere = false;
  let wake: () => void = () => undefined;
  const unsubscribe = book.onChange((atAnotherNode) => {
    changed = true;
    elsewhere ||= atAnotherNode;
    wake();
  });
  const onStop = () => wake();
  stop.addEventListener('abort', onStop);
  return {
    takeElsewhere() {
      const was = elsewhere;
      [changed, elsewhere] = [false, false];
      return was;
    },
    async next() {
      if (!changed && !stop.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, lookAgainMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      if (changed && !stop.aborted) await delay(settleMs);
    },
    end() {
      unsubscribe();
      stop.removeEventListener('abort', onStop);
    },
  };
}

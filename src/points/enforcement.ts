import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from '../core/problem.ts';
import type { Millis } from '../core/vocabulary.ts';
import { type EnforcementState, type EnforcementSummary, enforcementOf } from './enforcement-summary.ts';
import type { FeedMemory } from './feed-memory.ts';
import type { Evidence } from './instance-state.ts';
import type { Clock, Instance, Receipt, ReceiptNote, ReceiptStore, SignalEntries } from './ports.ts';
import type { ReceiptBook } from './receipt-book.ts';

/** Receipts of many instances arrive together: they are counted together. */
const settleMs = 5;
/** States also change with time: a silent instance closes. */
const lookAgainMs = 250;
const watchesMax = 200;

/** Who enforces the entries of a signal. `lastSeq` is the position that carries the whole of it. */
export type EnforcementView = {
  state(lastSeq: number): Promise<EnforcementState>;
  /** Resolves when it is complete, when nobody is there to wait for, at the timeout, at `stop`, or when too many wait. */
  wait(lastSeq: number, timeoutMs: Millis, stop?: AbortSignal): Promise<EnforcementSummary>;
  /** The state now, and whenever it has changed, until it is complete or at `stop`. @throws Problem `too-many-connections` */
  watch(lastSeq: number, stop: AbortSignal): AsyncGenerator<EnforcementState>;
};

export type EnforcementOptions = {
  readonly memory: FeedMemory;
  readonly book: ReceiptBook;
  readonly store: Pick<ReceiptStore, 'readFirstReceipts' | 'readNotes' | 'readSignalEntries'>;
  readonly clock: Clock;
};

export function createEnforcementView(options: EnforcementOptions): EnforcementView {
  let watchers = 0;

  async function state(lastSeq: number): Promise<EnforcementState> {
    const signal = await entriesOf(options, lastSeq);
    return evaluate(options, signal, lastSeq, await readEvidence(options, signal, lastSeq));
  }

  async function* follow(lastSeq: number, stop: AbortSignal): AsyncGenerator<EnforcementState> {
    watchers++;
    const changes = followChanges(options.book, stop);
    try {
      const signal = await entriesOf(options, lastSeq);
      let read = await readEvidence(options, signal, lastSeq);
      let told = '';
      while (!stop.aborted) {
        if (changes.takeElsewhere()) read = await readEvidence(options, signal, lastSeq);
        const now = evaluate(options, signal, lastSeq, read);
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

  async function wait(lastSeq: number, timeoutMs: Millis, stop?: AbortSignal): Promise<EnforcementSummary> {
    const timeout = AbortSignal.timeout(timeoutMs);
    let latest: EnforcementSummary | undefined;
    if (watchers < watchesMax) {
      for await (const { summary } of follow(lastSeq, stop ? AbortSignal.any([timeout, stop]) : timeout)) {
        latest = summary;
        if (summary.state === 'no_points') break;
      }
    }
    return latest ?? (await state(lastSeq)).summary;
  }

  return {
    state,
    wait,
    watch(lastSeq, stop) {
      if (watchers >= watchesMax) {
        throw new Problem(
          'too-many-connections',
          `${watchesMax} others follow the enforcement of signals already.`,
        );
      }
      return follow(lastSeq, stop);
    },
  };
}

export const nothingToEnforce = (): Problem =>
  new Problem('conflict', 'The signal has put and lifted nothing: there is nothing to enforce.', {
    hint: 'It may be held, unresolved or only recorded: GET /v1/signals/{id} says what became of it.',
  });

/** What the tables say of the past; what came in since is in the book. */
type Written = { readonly receipts: ReadonlyMap<string, Receipt>; readonly notes: readonly ReceiptNote[] };

async function readEvidence(
  { store }: EnforcementOptions,
  { puts }: SignalEntries,
  lastSeq: number,
): Promise<Written> {
  const [receipts, notes] = await Promise.all([
    store.readFirstReceipts(lastSeq),
    store.readNotes(puts.map(({ id }) => id)),
  ]);
  return { receipts: new Map(receipts.map((receipt) => [keyOf(receipt), receipt])), notes };
}

/** Once the log has forgotten them nothing but the position is left. */
async function entriesOf({ store }: EnforcementOptions, lastSeq: number): Promise<SignalEntries> {
  return (await store.readSignalEntries(lastSeq)) ?? { committedAtMs: 0, puts: [] };
}

function evaluate(
  { memory, book, clock }: EnforcementOptions,
  signal: SignalEntries,
  lastSeq: number,
  written: Written,
): EnforcementState {
  const notes = [...written.notes, ...signal.puts.flatMap(({ id }) => book.notesOf(id))];
  const noted = new Map(notes.map((note) => [`${note.kind}/${keyOf(note)}`, whyOf(note)]));
  const evidenceOf = (instance: Instance): Evidence => {
    const key = keyOf(instance);
    const [refused, cannot] = [noted.get(`refused/${key}`), noted.get(`cannot/${key}`)];
    const receipt = book.firstReceipt(instance, lastSeq) ?? written.receipts.get(key);
    return {
      applied: instance.appliedEpoch === memory.tail.epoch && (instance.appliedSeq ?? -1) >= lastSeq,
      ...(receipt && { appliedAtMs: receipt.receivedAtMs }),
      ...(refused !== undefined && { refused }),
      ...(cannot !== undefined && { cannot }),
    };
  };
  return enforcementOf(book.points(), book.instancesOf, signal, evidenceOf, clock.nowMs());
}

const whyOf = ({ detail: { why } }: ReceiptNote): string => (typeof why === 'string' ? why : '');

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

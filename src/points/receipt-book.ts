import { coalesce } from '../core/coalesce.ts';
import type { ReceiptAnswer, ReceiptBody } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { Millis, PointName } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import { createFedLeases, type FedLeases } from './fed-leases.ts';
import type { FeedMemory } from './feed-memory.ts';
import type { InstanceName } from './instance-name.ts';
import { createKnownInstances, type KnownInstances } from './known-instances.ts';
import { appliedPosition, denialsIn, instanceOf, receiptOf } from './read-receipt.ts';
import { createReceiptWriter, type ReceiptWriter } from './receipt-writer.ts';
import {
  type Alert,
  type Clock,
  type FirstDenial,
  type Instance,
  instancesMax,
  type Point,
  pointInstancesMax,
  type PointStore,
  type Receipt,
  type ReceiptStore,
} from './ports.ts';

/** What every node knows of the points: its own receipts at once, those of other nodes when they have been written. */
export type ReceiptBook = {
  points(): Iterable<Point>;
  instancesOf(point: PointName): Iterable<Instance>;
  /** @throws Problem `invalid-request` for what cannot be true, `rate-limited` beyond `pointInstancesMax` and `instancesMax`. */
  accept(point: PointName, instance: string, body: ReceiptBody): Promise<ReceiptAnswer>;
  /** It is connected to this node or was answered by it, or has just ceased to be. */
  noteFed(point: PointName, instance: string, connected: boolean): void;
  /** The receipt by which this node's instance first covered the sequence, if it is recent. */
  firstReceipt(instance: Instance, seq: number): Receipt | undefined;
  /** Something changed here; `elsewhere`: at another node, or in the list of points. Answers the function that ends it. */
  onChange(listener: (elsewhere: boolean) => void): () => void;
  refresh(): Promise<void>;
  /** Writes what is still unwritten. */
  close(): Promise<void>;
};

const receiptLimits = {
  /** First denials that are remembered as told: what is told again is not written again. */
  denialsMax: 100_000,
  /** The pace asked for keeps all instances together below so many receipts a second. */
  receiptsPerSecond: 500,
  paceMsMin: 1_000,
  paceMsMax: 5_000,
  rereadMs: 2_000,
  forgetEveryMs: 60_000,
  /** Clocks of nodes may differ by this much for their receipts to be seen by all. */
  clockSkewMs: 10_000,
} as const;

export type ReceiptBookOptions = {
  readonly memory: FeedMemory;
  readonly store: ReceiptStore;
  readonly points: Pick<PointStore, 'list'>;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly alert: Alert;
};

type State = {
  readonly known: KnownInstances;
  readonly fed: FedLeases;
  readonly denied: Set<string>;
  readonly listeners: Set<(elsewhere: boolean) => void>;
  readonly writer: ReceiptWriter;
  forgotAtMs: Millis;
};

/** Loads the points and every instance before it resolves. */
export async function openReceiptBook(options: ReceiptBookOptions): Promise<ReceiptBook> {
  const { announcer, clock } = options;
  // What this node has just written it knows: only the others look.
  let isOwn = false;
  const writer = createReceiptWriter({
    ...options,
    announcer: {
      announce(topic) {
        isOwn = true;
        announcer.announce(topic);
        isOwn = false;
      },
    },
  });
  const fed = createFedLeases(clock.nowMs);
  const known = createKnownInstances((named) => {
    fed.forget(named);
    writer.forget(named);
  });
  const state: State = { known, fed, denied: new Set(), listeners: new Set(), writer, forgotAtMs: 0 };
  await readAll(state, options, 0);
  // One at a time: of two reads the older may be answered last, and would bring back a point that was retired.
  const refresh = coalesce(() => readAll(state, options, clock.nowMs() - receiptLimits.clockSkewMs));
  const refreshQuietly = () => void refresh().catch(() => undefined);
  const unsubscribe = announcer.subscribe('receipts', () => {
    if (!isOwn) refreshQuietly();
  });
  const timer = setInterval(refreshQuietly, receiptLimits.rereadMs);
  return {
    points: known.points,
    instancesOf: known.of,
    accept: (point, instance, body) => accept(state, options, { point, instance }, body),
    noteFed: (point, instance, connected) => noteFed(state, { point, instance }, connected, clock.nowMs()),
    firstReceipt: (instance, seq) =>
      known.find(instance)?.ranges.find((range) => range.afterSeq < seq && seq <= range.throughSeq),
    onChange(listener) {
      state.listeners.add(listener);
      return () => void state.listeners.delete(listener);
    },
    refresh,
    async close() {
      clearInterval(timer);
      unsubscribe();
      await writer.close();
    },
  };
}

async function accept(
  state: State,
  { memory, clock }: ReceiptBookOptions,
  named: InstanceName,
  body: ReceiptBody,
): Promise<ReceiptAnswer> {
  const applied = body.applied === undefined ? undefined : await appliedPosition(body.applied, memory);
  const before = state.known.find(named)?.instance;
  const nowMs = clock.nowMs();
  const lease = state.fed.current(named);
  const context = {
    ...named,
    applied,
    before,
    fedUntilMs: lease?.fedUntilMs ?? before?.fedUntilMs,
    nowMs,
  };
  const instance = instanceOf(body, context);
  if (state.known.set(instance, nowMs) === undefined) throw noRoom(named);
  const receipt = receiptOf(before, instance, body.applied_after_ms);
  if (receipt) state.known.addReceipt(named, receipt);
  const denials = denialsIn(body, context).filter(({ revocationId }) => memory.has(revocationId));
  state.writer.write(instance, receipt, newOf(state, denials));
  if (before === undefined && lease !== undefined) state.writer.writeFed(lease);
  tell(state, false);
  const pace = (state.known.count * 1000) / receiptLimits.receiptsPerSecond;
  return { next_receipt_ms: Math.min(Math.max(pace, receiptLimits.paceMsMin), receiptLimits.paceMsMax) };
}

const noRoom = ({ point }: InstanceName): Problem =>
  new Problem(
    'rate-limited',
    `The point ${point} has ${pointInstancesMax} instances, the hub has ${instancesMax}, or the point is retired.`,
    { hint: 'Let each process keep its name, and say goodbye when it ends: that makes room.' },
  );

function noteFed(state: State, named: InstanceName, connected: boolean, nowMs: Millis): void {
  const lease = connected ? state.fed.renew(named) : state.fed.end(named);
  const instance = state.known.find(named)?.instance;
  if (instance === undefined || lease === undefined) return;
  state.known.set({ ...instance, fedUntilMs: lease.fedUntilMs }, nowMs);
  state.writer.writeFed(lease);
  tell(state, false);
}

/** Most reads find nothing new: whoever follows a signal looks into the table only for what they do. */
async function readAll(state: State, options: ReceiptBookOptions, sinceMs: Millis): Promise<void> {
  const { known } = state;
  const points = await options.points.list();
  let changed = JSON.stringify(points) !== JSON.stringify(known.points());
  if (changed) known.setPoints(points);
  const nowMs = options.clock.nowMs();
  for (const instance of await options.store.readInstances(sinceMs)) {
    if (mergeRead(state, instance, nowMs)) changed = true;
  }
  if (nowMs - state.forgotAtMs >= receiptLimits.forgetEveryMs) {
    state.forgotAtMs = nowMs;
    known.forgetGone(nowMs);
  }
  if (changed) tell(state, true);
}

/** What this node heard later stands, and so does the stream that it holds. @returns whether anything changed. */
function mergeRead({ known, fed }: State, read: Instance, nowMs: Millis): boolean {
  const before = known.find(read)?.instance;
  const newest = before !== undefined && before.lastSeenMs >= read.lastSeenMs ? before : read;
  const fedUntilMs = fed.believe(read, before);
  if (newest === before && fedUntilMs === before.fedUntilMs) return false;
  const { fedUntilMs: _, ...others } = newest;
  return known.set({ ...others, ...(fedUntilMs !== undefined && { fedUntilMs }) }, nowMs) !== undefined;
}

function tell({ listeners }: State, elsewhere: boolean): void {
  for (const listener of listeners) listener(elsewhere);
}

/** @returns those that were not told before. */
function newOf({ denied }: State, denials: readonly FirstDenial[]): readonly FirstDenial[] {
  const added = denials.filter(({ point, instance, revocationId }) => {
    const key = `${point}/${instance}/${revocationId}`;
    if (denied.has(key)) return false;
    denied.add(key);
    return true;
  });
  for (const oldest of denied) {
    if (denied.size <= receiptLimits.denialsMax) break;
    denied.delete(oldest);
  }
  return added;
}

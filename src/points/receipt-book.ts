import { coalesce } from '../core/coalesce.ts';
import type { ReceiptAnswer, ReceiptBody } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { Millis, PointName } from '../core/vocabulary.ts';
import type { Announcer } from '../pipeline/ports.ts';
import { createFedLeases, type FedLeases } from './fed-leases.ts';
import type { FeedMemory } from './feed-memory.ts';
import { appliedPosition, denialsIn, instanceOf, receiptOf } from './read-receipt.ts';
import { createReceiptWriter, type ReceiptWriter } from './receipt-writer.ts';
import {
  type Alert,
  type Clock,
  type FirstDenial,
  type Instance,
  instancesMax,
  type Point,
  type PointStore,
  type Receipt,
  type ReceiptStore,
} from './ports.ts';

/** What every node knows of the points: its own receipts at once, those of other nodes when they have been written. */
export type ReceiptBook = {
  points(): Iterable<Point>;
  instancesOf(point: PointName): Iterable<Instance>;
  /** @throws Problem `invalid-request` for what cannot be true, `rate-limited` beyond `instancesMax`. */
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
  /** Per instance, in memory. */
  rangesMax: 64,
  /** First denials that are remembered as told: what is told again is not written again. */
  denialsMax: 100_000,
  /** The pace asked for keeps all instances together below so many receipts a second. */
  receiptsPerSecond: 500,
  paceMsMin: 1_000,
  paceMsMax: 5_000,
  rereadMs: 2_000,
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

type Known = { instance: Instance; readonly ranges: Receipt[] };
type State = {
  points: readonly Point[];
  readonly known: Map<PointName, Map<string, Known>>;
  count: number;
  readonly fed: FedLeases;
  readonly denied: Set<string>;
  readonly listeners: Set<(elsewhere: boolean) => void>;
  readonly writer: ReceiptWriter;
};

/** Loads the points and every instance before it resolves. */
export async function openReceiptBook(options: ReceiptBookOptions): Promise<ReceiptBook> {
  const { announcer, clock } = options;
  const state: State = {
    points: [],
    known: new Map(),
    count: 0,
    fed: createFedLeases(clock.nowMs),
    denied: new Set(),
    listeners: new Set(),
    writer: createReceiptWriter(options),
  };
  await readAll(state, options, 0);
  // One at a time: of two reads the older may be answered last, and would bring back a point that was retired.
  const refresh = coalesce(() => readAll(state, options, clock.nowMs() - receiptLimits.clockSkewMs));
  const refreshQuietly = () => void refresh().catch(() => undefined);
  const unsubscribe = announcer.subscribe('receipts', refreshQuietly);
  const timer = setInterval(refreshQuietly, receiptLimits.rereadMs);
  return {
    points: () => state.points,
    *instancesOf(point) {
      for (const { instance } of state.known.get(point)?.values() ?? []) yield instance;
    },
    accept: (point, instance, body) => accept(state, options, point, instance, body),
    noteFed: (point, instance, connected) => noteFed(state, point, instance, connected),
    firstReceipt: ({ point, instance }, seq) =>
      state.known
        .get(point)
        ?.get(instance)
        ?.ranges.find((range) => range.afterSeq < seq && seq <= range.throughSeq),
    onChange(listener) {
      state.listeners.add(listener);
      return () => void state.listeners.delete(listener);
    },
    refresh,
    async close() {
      clearInterval(timer);
      unsubscribe();
      await state.writer.close();
    },
  };
}

async function accept(
  state: State,
  { memory, clock }: ReceiptBookOptions,
  point: PointName,
  name: string,
  body: ReceiptBody,
): Promise<ReceiptAnswer> {
  const applied = body.applied === undefined ? undefined : await appliedPosition(body.applied, memory);
  const before = state.known.get(point)?.get(name)?.instance;
  if (before === undefined && state.count >= instancesMax) {
    throw new Problem('rate-limited', `The hub knows ${instancesMax} instances already.`);
  }
  const lease = state.fed.current({ point, instance: name });
  const context = {
    point,
    instance: name,
    applied,
    before,
    fedUntilMs: lease?.fedUntilMs ?? before?.fedUntilMs,
    nowMs: clock.nowMs(),
  };
  const instance = instanceOf(body, context);
  const known = remember(state, instance);
  const receipt = receiptOf(before, instance, body.applied_after_ms);
  if (receipt) keep(known.ranges, receipt, receiptLimits.rangesMax);
  const denials = denialsIn(body, context).filter(({ revocationId }) => memory.has(revocationId));
  state.writer.write(instance, receipt, newOf(state, denials));
  if (before === undefined && lease !== undefined) state.writer.writeFed(lease);
  for (const listener of state.listeners) listener(false);
  const pace = (state.count * 1000) / receiptLimits.receiptsPerSecond;
  return { next_receipt_ms: Math.min(Math.max(pace, receiptLimits.paceMsMin), receiptLimits.paceMsMax) };
}

function noteFed(state: State, point: PointName, name: string, connected: boolean): void {
  const named = { point, instance: name };
  const lease = connected ? state.fed.renew(named) : state.fed.end(named);
  const known = state.known.get(point)?.get(name);
  if (known === undefined || lease === undefined) return;
  known.instance = { ...known.instance, fedUntilMs: lease.fedUntilMs };
  state.writer.writeFed(lease);
  for (const listener of state.listeners) listener(false);
}

async function readAll(state: State, options: ReceiptBookOptions, sinceMs: Millis): Promise<void> {
  state.points = await options.points.list();
  for (const instance of await options.store.readInstances(sinceMs)) mergeRead(state, instance);
  for (const listener of state.listeners) listener(true);
}

/** What this node heard later stands, and so does the stream that it holds. */
function mergeRead(state: State, read: Instance): void {
  const known = state.known.get(read.point)?.get(read.instance);
  const newest = known !== undefined && known.instance.lastSeenMs >= read.lastSeenMs ? known.instance : read;
  const fedUntilMs = state.fed.believe(read, known?.instance);
  const { fedUntilMs: _, ...others } = newest;
  remember(state, { ...others, ...(fedUntilMs !== undefined && { fedUntilMs }) });
}

function remember(state: State, instance: Instance): Known {
  const ofPoint = state.known.get(instance.point) ?? new Map<string, Known>();
  state.known.set(instance.point, ofPoint);
  const known = ofPoint.get(instance.instance);
  if (known) {
    known.instance = instance;
    return known;
  }
  const added = { instance, ranges: [] };
  ofPoint.set(instance.instance, added);
  state.count++;
  return added;
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

function keep<T>(list: T[], item: T, max: number): void {
  list.push(item);
  if (list.length > max) list.shift();
}

import type { FeedEntry, InstanceDeclaration, ReceiptAnswer, ReceiptBody } from '../core/feed.ts';
import type { RevocationCache } from './cache.ts';
import { formatCursor } from './feed-events.ts';
import type { Clock, FeedTroubleCode } from './feed-types.ts';
import { type HubTransport, post } from './feed-transport.ts';
import { createPacer } from './receipts-pace.ts';
import { createRefusedToTell, type RefusedToTell } from './receipts-refused.ts';

/** Tells the hub what is in force here. Cumulative, one at a time, tried again until heard; nothing waits for it. */
export type Receipts = {
  /** The first set is in force, or another: say so at once. */
  readonly announce: () => void;
  /** `arrivedAt`: when the newest entry's bytes came, on the monotonic clock. */
  readonly applied: (entries: readonly FeedEntry[], arrivedAt: number) => void;
  readonly denied: (ids: readonly string[]) => void;
  readonly close: () => Promise<void>;
};

export type ReceiptsOptions = {
  readonly transport: HubTransport;
  readonly cache: RevocationCache;
  readonly declaration: InstanceDeclaration;
  readonly clock: Clock;
  readonly staleMs: () => number;
  readonly isDivergent: () => boolean;
  readonly onTrouble: (code: FeedTroubleCode, text: string, cause?: unknown) => void;
};

const timeoutMs = 5_000;
const goodbyeTimeoutMs = 2_000;
/** Until the hub says another. */
const firstPaceMs = 1_000;
const paceMsMin = 100;
const paceMsMax = 60_000;
/** Of each list in one receipt: the hub takes bodies of 64 KiB. */
const listedMax = 100;
/** Revocations whose first denial is remembered as told or to be told. */
const deniedMax = 100_000;
/** Entries whose time of coming into force is remembered. */
const recentMax = 10_000;
/** A hundred years or so; what is not known is as old as that. */
const staleMsMax = 1e12;

type State = {
  appliedAfterMs: number | undefined;
  inForceSince: number;
  /** Entries that came by the stream lately → when they were in force. */
  readonly recent: Map<string, number>;
  readonly everDenied: Set<string>;
  readonly firstDenied: Map<string, number>;
  readonly refusedToTell: RefusedToTell;
};

export function createReceipts(options: ReceiptsOptions): Receipts {
  const { transport, clock } = options;
  const state: State = {
    appliedAfterMs: undefined,
    inForceSince: clock.monotonicMs(),
    recent: new Map(),
    everDenied: new Set(),
    firstDenied: new Map(),
    refusedToTell: createRefusedToTell(options.cache, listedMax),
  };
  const send = async (stop: AbortSignal, goodbye: boolean): Promise<number> => {
    const told = state.refusedToTell.next();
    const body = bodyOf(options, state, told, goodbye);
    const answer = await post(
      transport,
      'v1/points/receipts',
      body,
      stop,
      goodbye ? goodbyeTimeoutMs : timeoutMs,
    );
    for (const { id } of body.first_denied ?? []) state.firstDenied.delete(id);
    state.refusedToTell.heard(told.refused.map(({ id }) => id));
    if (told.hasMore) return paceMsMin;
    const { next_receipt_ms: pace } = (answer ?? {}) as Partial<ReceiptAnswer>;
    return typeof pace === 'number' ? Math.min(paceMsMax, Math.max(paceMsMin, pace)) : firstPaceMs;
  };
  const pacer = createPacer({
    firstPaceMs,
    send: (stop) => send(stop, false),
    onFailure: (cause) =>
      options.onTrouble('unreachable', 'a receipt was not heard; it is said again', cause),
  });

  return {
    announce: () => {
      state.inForceSince = clock.monotonicMs();
      pacer.urge();
    },
    applied: (entries, arrivedAt) => {
      const now = clock.monotonicMs();
      state.appliedAfterMs = now - arrivedAt;
      for (const { id } of entries) remember(state.recent, id, now);
      if (entries.some((entry) => entry.op === 'put' && entry.effect !== 'observe')) pacer.urge();
    },
    denied: (ids) => {
      for (const id of ids) {
        if (state.everDenied.has(id) || state.everDenied.size >= deniedMax) continue;
        state.everDenied.add(id);
        state.firstDenied.set(id, clock.monotonicMs() - (state.recent.get(id) ?? state.inForceSince));
      }
    },
    close: async () => {
      await pacer.close();
      await send(AbortSignal.timeout(goodbyeTimeoutMs), true).catch((cause: unknown) =>
        options.onTrouble('unreachable', 'the hub did not hear the goodbye', cause),
      );
    },
  };
}

function bodyOf(
  options: ReceiptsOptions,
  state: State,
  { refused, applied }: ReturnType<RefusedToTell['next']>,
  goodbye: boolean,
): ReceiptBody {
  const { cache } = options;
  const orphans = firstOf(cache.orphans());
  const firstDenied = firstOf(state.firstDenied).map(([id, after]) => ({ id, after_ms: after }));
  return {
    ...(applied && { applied: formatCursor(applied) }),
    ...(state.appliedAfterMs !== undefined && { applied_after_ms: state.appliedAfterMs }),
    instance: options.declaration,
    stale_ms: Math.min(staleMsMax, Math.max(0, options.staleMs())),
    ...(firstDenied.length > 0 && { first_denied: firstDenied }),
    ...(refused.length > 0 && { refused: refused.map(({ id, why }) => ({ id, why })) }),
    ...(orphans.length > 0 && { orphans: orphans.map(({ id }) => id) }),
    ...(options.isDivergent() && { divergent: true }),
    ...(goodbye && { goodbye }),
  };
}

/** Forgets the oldest when there are too many. */
function remember(recent: Map<string, number>, id: string, at: number): void {
  recent.delete(id);
  recent.set(id, at);
  const [oldest] = recent.size > recentMax ? recent.keys() : [];
  if (oldest !== undefined) recent.delete(oldest);
}

function firstOf<Item>(items: Iterable<Item>): readonly Item[] {
  const first: Item[] = [];
  for (const item of items) {
    if (first.push(item) === listedMax) break;
  }
  return first;
}

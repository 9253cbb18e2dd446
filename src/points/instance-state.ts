import { inabilitiesListedMax, type Inability, type InstanceDeclaration } from '../core/feed.ts';
import type { Millis } from '../core/vocabulary.ts';
import { instancesKeptMs, type Instance, type Point, type SignalEntries } from './ports.ts';

/** No receipt for so long is silence: several times the slowest pace that the hub asks for. */
export const silentAfterMs = 15_000;
/** A heartbeat that does not tell of an entry was written at most this long after its commit. */
const lastBlindHeartbeatMs = 1_000;
/** An ephemeral instance leaves when it has been closed for so long. */
const ephemeralGraceMs = 60_000;

/** What an instance has made of the entries of one signal. Times are the hub's. */
export type InstanceState =
  | { readonly state: 'pending' }
  | { readonly state: 'applied'; readonly latencyMs?: number }
  | { readonly state: 'refused' | 'cannot'; readonly why: string }
  /** Silent, and refuses by its own posture since then. */
  | { readonly state: 'contained'; readonly sinceMs: Millis }
  /** Lets the dead pass; until then, if it is known to end. */
  | { readonly state: 'exposed'; readonly untilMs?: Millis };

/** What is known of one instance and one signal. */
export type Evidence = {
  readonly applied: boolean;
  /** Receipt that first covered it, on the hub's clock. */
  readonly appliedAtMs?: Millis;
};

export function stateOf(
  instance: Instance,
  signal: SignalEntries,
  evidence: Evidence,
  nowMs: Millis,
): InstanceState {
  const { appliedAtMs } = evidence;
  const { reported } = instance;
  if (reported.divergent === true) {
    return { state: 'refused', why: 'what it enforces is not what the hub has' };
  }
  const refused = whyOf(reported.refused, signal);
  if (refused !== undefined) return { state: 'refused', why: refused };
  const cannot = whyOf(reported.cannot, signal) ?? beyond(instance.declared, signal);
  if (cannot !== undefined) return { state: 'cannot', why: cannot };
  if (evidence.applied) {
    // The receipt may have come to a node whose clock is ahead: without caches there is nothing to wait for.
    const cachedMs = cacheMs(instance.declared);
    if (appliedAtMs !== undefined && cachedMs > 0 && appliedAtMs + cachedMs > nowMs) {
      return { state: 'exposed', untilMs: appliedAtMs + cachedMs };
    }
    const wasThere = appliedAtMs !== undefined && instance.firstSeenMs <= signal.committedAtMs;
    return {
      state: 'applied',
      ...(wasThere && { latencyMs: Math.max(0, appliedAtMs - signal.committedAtMs) }),
    };
  }
  if (isSilent(instance, nowMs)) return silentState(instance, signal.committedAtMs, nowMs);
  // It confirms nothing from the first entry on that its list has no room for: waiting does not help.
  const isFull = [reported.refused, reported.cannot].some(
    (list) => (list?.length ?? 0) >= inabilitiesListedMax,
  );
  return isFull ? { state: 'refused', why: 'it refuses more than it can list' } : { state: 'pending' };
}

/** What it says of the first of the entries that it lists. */
function whyOf(listed: readonly Inability[] | undefined, { puts }: SignalEntries): string | undefined {
  if (listed === undefined || listed.length === 0) return undefined;
  const ids = new Set(puts.map(({ id }) => id));
  return listed.find(({ id }) => ids.has(id))?.why;
}

/** Nothing is heard from it, or its stream has ended: it may not know of anything new. */
export function isSilent({ lastSeenMs, fedUntilMs }: Instance, nowMs: Millis): boolean {
  return nowMs - lastSeenMs > silentAfterMs || (fedUntilMs !== undefined && fedUntilMs <= nowMs);
}

/** Whether the instance is to be waited for. */
export function isPresent(instance: Instance, { ephemeral }: Point, nowMs: Millis): boolean {
  if (instance.leftAtMs !== undefined) return false;
  if (!ephemeral || !isSilent(instance, nowMs)) return true;
  const silentFromMs = Math.max(instance.lastSeenMs, instance.fedUntilMs ?? 0);
  // One that never closes goes on letting the dead pass, however long nobody hears of it.
  const budgetMs = closes(instance.declared) ? longestBudgetMs(instance.declared) : undefined;
  if (budgetMs === undefined) return true;
  return nowMs < silentFromMs + budgetMs + cacheMs(instance.declared) + ephemeralGraceMs;
}

/** It left so long ago that nobody asks for it any more. */
export function isForgotten(instance: Instance, point: Point, nowMs: Millis): boolean {
  const beforeMs = nowMs - instancesKeptMs;
  const { leftAtMs } = instance;
  return leftAtMs === undefined ? !isPresent(instance, point, beforeMs) : leftAtMs < beforeMs;
}

/**
 * A silent instance has been stale at least since its stream ended, and at least since the last heartbeat that a node
 * could have written without telling of the entry; but never since before the heartbeat that its newest receipt tells
 * of: whatever this node believes of its streams, it had that one.
 */
function silentState(
  { declared, fedUntilMs, lastSeenMs, reported }: Instance,
  committedAtMs: Millis,
  nowMs: Millis,
): InstanceState {
  const unfedFromMs = Math.min(fedUntilMs ?? Number.POSITIVE_INFINITY, committedAtMs + lastBlindHeartbeatMs);
  const staleFromMs = Math.max(unfedFromMs, Math.ceil(lastSeenMs - reported.stale_ms));
  const budgetMs = closes(declared) ? longestBudgetMs(declared) : undefined;
  if (budgetMs === undefined) return { state: 'exposed' };
  const closedFromMs = staleFromMs + budgetMs + cacheMs(declared);
  return closedFromMs > nowMs
    ? { state: 'exposed', untilMs: closedFromMs }
    : { state: 'contained', sinceMs: closedFromMs };
}

/** Every class that is not declared open closes altogether, and there is one. */
function closes({ postures }: InstanceDeclaration): boolean {
  const closing = Object.values(postures).filter((posture) => !('fail_open' in posture));
  return closing.length > 0 && closing.every((posture) => 'fail_closed_after' in posture);
}

function longestBudgetMs({ postures }: InstanceDeclaration): number | undefined {
  const budgets = Object.values(postures).flatMap((posture) =>
    'fail_closed_after' in posture ? [posture.fail_closed_after * 1000] : [],
  );
  return budgets.length === 0 ? undefined : Math.max(...budgets);
}

const cacheMs = ({ downstream_cache_seconds: seconds }: InstanceDeclaration): number =>
  Math.ceil(seconds * 1000);

function beyond({ can }: InstanceDeclaration, { puts }: SignalEntries): string | undefined {
  const known: readonly string[] = can.effects;
  const put = puts.find(({ effect }) => !known.includes(effect));
  return put && `the effect ${put.effect} is beyond it`;
}

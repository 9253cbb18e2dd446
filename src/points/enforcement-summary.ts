import type { Enforcement } from '../http/signal-answer.ts';
import type { Millis, PointName } from '../core/vocabulary.ts';
import { type Evidence, type InstanceState, isPresent, stateOf } from './instance-state.ts';
import type { Instance, Point, SignalEntries } from './ports.ts';

/**
 * Whether a signal is in force everywhere. `complete`: none pending, refused, cannot or exposed, every point has the
 * instances that it expects, and there is one. `partial`: somebody will not apply it by waiting a moment. `pending`:
 * all that is missing is on its way. `no_points`: nobody enforces anything.
 */
export type EnforcementSummary = Enforcement;

export type NamedState = { readonly point: PointName; readonly instance: string } & InstanceState;
export type EnforcementState = {
  readonly summary: EnforcementSummary;
  readonly instances: readonly NamedState[];
  /** Points with fewer instances than they expect. */
  readonly missing: readonly {
    readonly point: PointName;
    readonly expected: number;
    readonly present: number;
  }[];
};

export function enforcementOf(
  points: Iterable<Point>,
  instancesOf: (point: PointName) => Iterable<Instance>,
  signal: SignalEntries,
  evidenceOf: (instance: Instance) => Evidence,
  nowMs: Millis,
): EnforcementState {
  const instances: NamedState[] = [];
  const missing: EnforcementState['missing'][number][] = [];
  let expected = 0;
  for (const point of points) {
    if (point.retiredAtMs !== undefined) continue;
    let present = 0;
    for (const instance of instancesOf(point.name)) {
      if (!isPresent(instance, point, nowMs)) continue;
      present++;
      const state = stateOf(instance, signal, evidenceOf(instance), nowMs);
      instances.push({ point: point.name, instance: instance.instance, ...state });
    }
    expected += Math.max(point.expect, present);
    if (present < point.expect) missing.push({ point: point.name, expected: point.expect, present });
  }
  return { summary: summarise(instances, missing.length > 0, expected), instances, missing };
}

function summarise(
  instances: readonly NamedState[],
  someMissing: boolean,
  expected: number,
): EnforcementSummary {
  const counts = { pending: 0, applied: 0, refused: 0, cannot: 0, contained: 0, exposed: 0 };
  for (const { state } of instances) counts[state]++;
  const latencies = instances
    .flatMap((instance) => (instance.state === 'applied' ? (instance.latencyMs ?? []) : []))
    .sort((one, other) => one - other);
  const hopeless = counts.refused + counts.cannot + counts.exposed > 0 || someMissing;
  return {
    state: expected === 0 ? 'no_points' : hopeless ? 'partial' : counts.pending > 0 ? 'pending' : 'complete',
    expected,
    applied: counts.applied,
    contained: counts.contained,
    exposed: instances.flatMap((instance) => (instance.state === 'exposed' ? [exposureOf(instance)] : [])),
    ...(latencies.length > 0 && { p50_ms: percentile(latencies, 0.5), p99_ms: percentile(latencies, 0.99) }),
  };
}

const exposureOf = ({ point, instance, untilMs }: NamedState & { readonly untilMs?: Millis }) => ({
  point,
  instance,
  ...(untilMs !== undefined && { until_ms: untilMs }),
});

/** Nearest rank, of ascending values. */
const percentile = (values: readonly number[], share: number): number =>
  values[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;

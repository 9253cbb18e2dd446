import type { ReportBody } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { JsonObject, PointName } from '../core/vocabulary.ts';
import type { InstanceName } from './instance-name.ts';
import type { Clock, Report, ReportStore } from './ports.ts';

/** Of all instances of a point together, at one node. */
const reportsPerMinuteMax = 6_000;
const minuteMs = 60_000;

export type TakeReports = (from: InstanceName, body: ReportBody) => Promise<void>;

/** Keeps what instances refused and saw. @throws Problem `rate-limited`: what is refused is not kept. */
export function createTakeReports(options: {
  readonly store: Pick<ReportStore, 'write'>;
  readonly clock: Clock;
  readonly newId: (prefix: 'rep') => string;
}): TakeReports {
  const { store, clock, newId } = options;
  let windowFromMs = clock.monotonicMs();
  const taken = new Map<PointName, number>();

  function count(point: PointName, reports: number): void {
    if (clock.monotonicMs() - windowFromMs >= minuteMs) {
      windowFromMs = clock.monotonicMs();
      taken.clear();
    }
    const total = (taken.get(point) ?? 0) + reports;
    if (total > reportsPerMinuteMax) {
      throw new Problem(
        'rate-limited',
        `The point ${point} reports more than ${reportsPerMinuteMax} times a minute.`,
        {
          hint: 'Count equal refusals and sightings together and report them later.',
        },
      );
    }
    taken.set(point, total);
  }

  return async ({ point, instance }, { refusals = [], sightings = [] }) => {
    count(point, refusals.length + sightings.length);
    const receivedAtMs = clock.nowMs();
    const report = (kind: Report['kind']) => (said: object) => ({
      id: newId('rep'),
      point,
      instance,
      kind,
      detail: { ...said } as JsonObject,
      receivedAtMs,
    });
    await store.write([...refusals.map(report('refusal')), ...sightings.map(report('sighting'))]);
  };
}

import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/canonical-json.ts';
import type { ReportBody } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { Json, JsonObject, PointName } from '../core/vocabulary.ts';
import type { InstanceName } from './instance-name.ts';
import type { Clock, NewReport, Report, ReportStore } from './ports.ts';

/** Of all instances of a point together, at one node. */
const reportsPerMinuteMax = 6_000;
const minuteMs = 60_000;

export type TakeReports = (from: InstanceName, body: ReportBody) => Promise<void>;

/**
 * Keeps what instances refused and saw, each batch once.
 *
 * @throws Problem `rate-limited`: what is refused is not kept.
 * @see DESIGN §7
 */
export function createTakeReports(options: {
  readonly store: Pick<ReportStore, 'write'>;
  readonly clock: Clock;
  readonly newId: (prefix: 'rep') => string;
}): TakeReports {
  const { store, clock, newId } = options;
  const budget = createBudget(clock);

  return async (from, { batch_id: batch, refusals = [], sightings = [] }) => {
    const receivedAtMs = clock.nowMs();
    const report =
      (kind: Report['kind']) =>
      (told: object, index: number): NewReport => {
        const detail = { ...told } as JsonObject;
        const said = saidBy(from, [batch, kind, index, detail]);
        return { ...from, id: newId('rep'), kind, detail, receivedAtMs, said };
      };
    const reports = [...refusals.map(report('refusal')), ...sightings.map(report('sighting'))];
    const giveBack = budget.take(from.point, reports.length);
    let kept = 0;
    try {
      kept = await store.write(reports);
    } finally {
      giveBack(reports.length - kept);
    }
  };
}

/** What is in it counts as well: whoever uses a batch's id again for something else loses nothing. */
const saidBy = ({ point, instance }: InstanceName, said: readonly Json[]): Uint8Array =>
  createHash('sha256')
    .update(canonicalJson([point, instance, ...said]))
    .digest();

/** Taken before the write, so that no number of requests at a time gets past it; what turned out not to be new is given back. */
function createBudget(clock: Pick<Clock, 'monotonicMs'>) {
  let windowFromMs = clock.monotonicMs();
  let taken = new Map<PointName, number>();
  return {
    take(point: PointName, reports: number): (unused: number) => void {
      if (clock.monotonicMs() - windowFromMs >= minuteMs) {
        windowFromMs = clock.monotonicMs();
        taken = new Map();
      }
      const window = taken;
      const total = (window.get(point) ?? 0) + reports;
      if (total > reportsPerMinuteMax) throw tooMany(point);
      window.set(point, total);
      return (unused) => window.set(point, (window.get(point) ?? 0) - unused);
    },
  };
}

const tooMany = (point: PointName): Problem =>
  new Problem('rate-limited', `The point ${point} reports more than ${reportsPerMinuteMax} times a minute.`, {
    hint: 'Count equal refusals and sightings together and report them later.',
  });

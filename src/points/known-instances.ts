import type { Millis, PointName } from '../core/vocabulary.ts';
import type { InstanceName } from './instance-name.ts';
import { isForgotten, isPresent } from './instance-state.ts';
import { type Instance, instancesMax, type Point, pointInstancesMax, type Receipt } from './ports.ts';

/** Receipts of one instance, in memory. */
const rangesMax = 64;

export type KnownInstance = { instance: Instance; readonly ranges: Receipt[] };

/** The instances that a node has in memory: those of points that are not retired, as many as there is room for. */
export type KnownInstances = {
  readonly count: number;
  points(): readonly Point[];
  of(point: PointName): Iterable<Instance>;
  find(named: InstanceName): KnownInstance | undefined;
  /** In the place of those before. Instances of those that are retired are forgotten. */
  setPoints(points: readonly Point[]): void;
  /**
   * Remembers what is known now. Where there is no room, it forgets the one that left first.
   *
   * @returns nothing when all that are there are still to be waited for, or its point is retired.
   */
  set(instance: Instance, nowMs: Millis): KnownInstance | undefined;
  addReceipt(named: InstanceName, receipt: Receipt): void;
  /** Those that left long ago. */
  forgetGone(nowMs: Millis): void;
};

export function createKnownInstances(onForgotten: (named: InstanceName) => void): KnownInstances {
  let points: ReadonlyMap<PointName, Point> = new Map();
  const known = new Map<PointName, Map<string, KnownInstance>>();
  let count = 0;

  const find = ({ point, instance }: InstanceName) => known.get(point)?.get(instance);

  function forget(instance: Instance): void {
    if (known.get(instance.point)?.delete(instance.instance)) count--;
    onForgotten(instance);
  }

  function* all(): Generator<Instance> {
    for (const ofPoint of known.values()) for (const { instance } of ofPoint.values()) yield instance;
  }

  /** Of the point, where that is full; else of any. */
  function makeRoom(point: PointName, nowMs: Millis): boolean {
    const ofPoint = Array.from(known.get(point)?.values() ?? [], ({ instance }) => instance);
    const isFull = ofPoint.length >= pointInstancesMax;
    if (!isFull && count < instancesMax) return true;
    const gone = firstGone(isFull ? ofPoint : all(), points, nowMs);
    if (gone === undefined) return false;
    forget(gone);
    return true;
  }

  return {
    get count() {
      return count;
    },
    points: () => [...points.values()],
    *of(point) {
      for (const { instance } of known.get(point)?.values() ?? []) yield instance;
    },
    find,
    setPoints(now) {
      points = new Map(now.map((point) => [point.name, point]));
      for (const instance of all()) if (isRetired(points.get(instance.point))) forget(instance);
    },
    set(instance, nowMs) {
      const there = find(instance);
      if (there) {
        there.instance = instance;
        return there;
      }
      if (isRetired(points.get(instance.point)) || !makeRoom(instance.point, nowMs)) return undefined;
      const added = { instance, ranges: [] };
      const ofPoint = known.get(instance.point) ?? new Map<string, KnownInstance>();
      known.set(instance.point, ofPoint.set(instance.instance, added));
      count++;
      return added;
    },
    addReceipt(named, receipt) {
      const ranges = find(named)?.ranges;
      if (ranges === undefined) return;
      ranges.push(receipt);
      if (ranges.length > rangesMax) ranges.shift();
    },
    forgetGone(nowMs) {
      for (const instance of all()) {
        const point = points.get(instance.point);
        if (point && isForgotten(instance, point, nowMs)) forget(instance);
      }
    },
  };
}

const isRetired = (point: Point | undefined): boolean => point?.retiredAtMs !== undefined;

function firstGone(
  instances: Iterable<Instance>,
  points: ReadonlyMap<PointName, Point>,
  nowMs: Millis,
): Instance | undefined {
  let first: Instance | undefined;
  for (const instance of instances) {
    const point = points.get(instance.point);
    if (point === undefined || isPresent(instance, point, nowMs)) continue;
    if (first === undefined || instance.lastSeenMs < first.lastSeenMs) first = instance;
  }
  return first;
}

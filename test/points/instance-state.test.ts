import { describe, expect, it } from 'vitest';
import { inabilitiesListedMax, type InstanceDeclaration } from '../../src/core/feed.ts';
import { pointName } from '../../src/core/vocabulary.ts';
import { enforcementOf, type EnforcementState } from '../../src/points/enforcement-summary.ts';
import { type Evidence, isPresent, silentAfterMs, stateOf } from '../../src/points/instance-state.ts';
import type { Instance, Point, Reported } from '../../src/points/ports.ts';
import { aDeclaration } from './support/a-receipt.ts';

const committedAtMs = 1_763_764_000_000;
const signal = { committedAtMs, puts: [{ id: 'rev_1', effect: 'deny' }] };
const seconds = (count: number) => committedAtMs + count * 1_000;

const anInstance = (parts: Partial<Instance> = {}): Instance => ({
  point: pointName('edge'),
  instance: 'one',
  declared: aDeclaration(),
  reported: { stale_ms: 0 },
  firstSeenMs: committedAtMs - 60_000,
  lastSeenMs: committedAtMs,
  ...parts,
});
const aPoint = (parts: Partial<Point> = {}): Point => ({
  name: pointName('edge'),
  expect: 1,
  ephemeral: false,
  createdAtMs: 0,
  ...parts,
});
const declaring = (declared: Partial<InstanceDeclaration>, parts: Partial<Instance> = {}) =>
  anInstance({ declared: aDeclaration(declared), ...parts });
const listing = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `rev_other_${index}`, why: 'unknown' }));
const applied: Evidence = { applied: true, appliedAtMs: committedAtMs + 7 };
const nothing: Evidence = { applied: false };
const silent = { lastSeenMs: committedAtMs - silentAfterMs, fedUntilMs: committedAtMs - 2_000 };

describe('DESIGN §7: what an instance has made of a signal', () => {
  it.each<readonly [string, Instance, Evidence, number, object]>([
    ['heard of and not applied: pending', anInstance(), nothing, seconds(1), { state: 'pending' }],
    [
      'applied, with the time to its receipt',
      anInstance(),
      applied,
      seconds(1),
      { state: 'applied', latencyMs: 7 },
    ],
    [
      'one that came later has no latency',
      anInstance({ firstSeenMs: seconds(1) }),
      applied,
      seconds(2),
      { state: 'applied' },
    ],
    [
      'refused weighs more than applied',
      anInstance({ reported: { stale_ms: 0, refused: [{ id: 'rev_1', why: 'unknown version' }] } }),
      applied,
      seconds(1),
      { state: 'refused', why: 'unknown version' },
    ],
    [
      'cannot, as it says itself',
      anInstance({ reported: { stale_ms: 0, cannot: [{ id: 'rev_1', why: 'no sid' }] } }),
      applied,
      seconds(1),
      { state: 'cannot', why: 'no sid' },
    ],
    [
      'what it refuses of other signals is not in the way',
      anInstance({ reported: { stale_ms: 0, refused: [{ id: 'rev_2', why: 'unknown version' }] } }),
      applied,
      seconds(1),
      { state: 'applied', latencyMs: 7 },
    ],
    [
      'one that refuses more than it can list confirms no further: it is not on its way',
      anInstance({ reported: { stale_ms: 0, refused: listing(inabilitiesListedMax) } }),
      nothing,
      seconds(1),
      { state: 'refused', why: 'it refuses more than it can list' },
    ],
    [
      'and what it confirms with a full list it has applied',
      anInstance({ reported: { stale_ms: 0, refused: listing(inabilitiesListedMax) } }),
      applied,
      seconds(1),
      { state: 'applied', latencyMs: 7 },
    ],
    [
      'one entry less and it is waited for',
      anInstance({ reported: { stale_ms: 0, refused: listing(inabilitiesListedMax - 1) } }),
      nothing,
      seconds(1),
      { state: 'pending' },
    ],
    [
      'one that enforces something else than the hub has has not applied anything',
      anInstance({ reported: { stale_ms: 0, divergent: true } }),
      applied,
      seconds(1),
      { state: 'refused', why: 'what it enforces is not what the hub has' },
    ],
    [
      'cannot, as it declared',
      declaring({ can: { effects: ['observe'], cut_open_requests: false } }),
      applied,
      seconds(1),
      { state: 'cannot', why: 'the effect deny is beyond it' },
    ],
    [
      'caches in front repeat old decisions until they have expired',
      declaring({ downstream_cache_seconds: 30 }),
      applied,
      seconds(1),
      { state: 'exposed', untilMs: committedAtMs + 7 + 30_000 },
    ],
    [
      'and not longer',
      declaring({ downstream_cache_seconds: 30 }),
      applied,
      seconds(31),
      { state: 'applied', latencyMs: 7 },
    ],
    [
      'silent: exposed until its longest budget has run out since its stream ended',
      declaring({ postures: { a: { fail_closed_after: 8 }, b: { fail_closed_after: 4 } } }, silent),
      nothing,
      seconds(1),
      { state: 'exposed', untilMs: seconds(6) },
    ],
    [
      'then contained',
      declaring({ postures: { a: { fail_closed_after: 8 }, b: { fail_closed_after: 4 } } }, silent),
      nothing,
      seconds(6),
      { state: 'contained', sinceMs: seconds(6) },
    ],
    [
      'a stream that is open cannot have told of anything later than a second after the commit',
      declaring(
        { postures: { a: { fail_closed_after: 8 } } },
        { fedUntilMs: seconds(900), lastSeenMs: committedAtMs },
      ),
      nothing,
      seconds(20),
      { state: 'contained', sinceMs: seconds(9) },
    ],
    [
      'it had the heartbeat that its newest receipt tells of, whatever became of the stream that is known of here',
      declaring(
        { postures: { a: { fail_closed_after: 8 } } },
        { fedUntilMs: seconds(-600), lastSeenMs: seconds(30), reported: { stale_ms: 2_000 } },
      ),
      nothing,
      seconds(31),
      { state: 'exposed', untilMs: seconds(36) },
    ],
    [
      'caches in front of it go on after it has closed',
      declaring({ postures: { a: { fail_closed_after: 8 } }, downstream_cache_seconds: 60 }, silent),
      nothing,
      seconds(10),
      { state: 'exposed', untilMs: seconds(66) },
    ],
    [
      'a class that lets reads pass never closes',
      declaring({ postures: { a: { fail_closed_after: 1 }, b: { allow_reads_after: 1 } } }, silent),
      nothing,
      seconds(900),
      { state: 'exposed' },
    ],
    [
      'one that is open for everything never closes',
      declaring({ postures: { a: { fail_open: true } } }, silent),
      nothing,
      seconds(900),
      { state: 'exposed' },
    ],
    [
      'nor does one without any class',
      declaring({ postures: {} }, silent),
      nothing,
      seconds(900),
      { state: 'exposed' },
    ],
  ])('%s', (_, instance, evidence, nowMs, expected) => {
    expect(stateOf(instance, signal, evidence, nowMs)).toEqual(expected);
  });

  it('leaves by goodbye, or, if ephemeral, when it has been closed for a minute; silence alone never does it', () => {
    const long = committedAtMs + 86_400_000;
    expect(isPresent(anInstance(silent), aPoint(), long)).toBe(true);
    expect(isPresent(anInstance({ leftAtMs: committedAtMs }), aPoint(), long)).toBe(false);
    const ephemeral = aPoint({ ephemeral: true });
    expect(isPresent(anInstance(silent), ephemeral, silent.fedUntilMs + 119_999)).toBe(true);
    expect(isPresent(anInstance(silent), ephemeral, silent.fedUntilMs + 120_000)).toBe(false);
  });

  it.each<readonly [string, InstanceDeclaration['postures']]>([
    ['is open for everything', { a: { fail_open: true } }],
    ['lets reads pass', { a: { fail_closed_after: 5 }, b: { allow_reads_after: 1 } }],
    ['declares no class', {}],
  ])('an ephemeral one that %s never closes, and so never leaves by silence', (_, postures) => {
    const instance = declaring({ postures }, silent);
    expect(isPresent(instance, aPoint({ ephemeral: true }), committedAtMs + 86_400_000)).toBe(true);
  });
});

describe('DESIGN §7: dead everywhere', () => {
  const at = seconds(1);
  const summaryOf = (
    instances: readonly (readonly [Instance, Evidence])[],
    points: readonly Point[] = [aPoint()],
  ): EnforcementState => {
    const evidence = new Map(instances);
    return enforcementOf(
      points,
      (name) => [...evidence.keys()].filter(({ point }) => point === name),
      signal,
      (instance) => evidence.get(instance) ?? nothing,
      at,
    );
  };

  it('is complete when everybody applied it or is closed, with percentiles over those who applied', () => {
    const contained = declaring(
      { postures: { a: { fail_closed_after: 0 } } },
      { instance: 'two', ...silent },
    );
    const others = Array.from(
      { length: 98 },
      (_, index) =>
        [
          anInstance({ instance: `i${index}` }),
          { applied: true, appliedAtMs: committedAtMs + index + 1 },
        ] as const,
    );
    const { summary, missing } = summaryOf([[contained, nothing], ...others]);
    expect(missing).toEqual([]);
    expect(summary).toEqual({
      state: 'complete',
      expected: 99,
      applied: 98,
      contained: 1,
      exposed: [],
      p50_ms: 49,
      p99_ms: 98,
    });
  });

  it('two of which one is silent is never complete', () => {
    const away = anInstance({ instance: 'two', ...silent });
    const { summary } = summaryOf([
      [anInstance(), applied],
      [away, nothing],
    ]);
    expect(summary).toMatchObject({ state: 'partial', expected: 2, applied: 1 });
    expect(summary.exposed).toEqual([{ point: 'edge', instance: 'two', until_ms: seconds(58) }]);
  });

  it.each<readonly [string, Evidence, Partial<Reported>, string]>([
    ['pending', nothing, {}, 'pending'],
    ['refused', applied, { refused: [{ id: 'rev_1', why: 'x' }] }, 'partial'],
    ['cannot', applied, { cannot: [{ id: 'rev_1', why: 'x' }] }, 'partial'],
    ['divergent', applied, { divergent: true }, 'partial'],
  ])('one that is %s is in the way', (_, evidence, reported, state) => {
    const other = anInstance({ instance: 'two', reported: { stale_ms: 0, ...reported } });
    expect(
      summaryOf([
        [anInstance(), applied],
        [other, evidence],
      ]).summary.state,
    ).toBe(state);
  });

  it('fewer than expected is partial, and says where', () => {
    const state = summaryOf([[anInstance(), applied]], [aPoint({ expect: 3 })]);
    expect(state.summary).toMatchObject({ state: 'partial', expected: 3, applied: 1 });
    expect(state.missing).toEqual([{ point: 'edge', expected: 3, present: 1 }]);
  });

  it('nobody at all is no_points and not success: none registered, all retired, none expected and none there', () => {
    for (const points of [[], [aPoint({ retiredAtMs: 1 })], [aPoint({ expect: 0 })]]) {
      expect(summaryOf([], points).summary).toMatchObject({ state: 'no_points', expected: 0, applied: 0 });
    }
  });
});

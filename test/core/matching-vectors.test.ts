import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { entryVersion } from '../../src/core/feed.ts';
import { type CheckableEntry, check, unknownPartOf } from '../../src/core/match.ts';
import type { CutOffBasis, Effect, Match, Reach, Restrict, StepUp } from '../../src/core/revocation.ts';
import type { TokenContext } from '../../src/core/token-context.ts';

/** `test/vectors/README.md` says what each member means. */
type Vectors = {
  readonly version: number;
  readonly groups: readonly {
    readonly name: string;
    readonly now: number;
    readonly entries: readonly WireEntry[];
    readonly not_applied?: readonly string[];
    readonly checks: readonly {
      readonly name: string;
      readonly context: TokenContext;
      readonly expect: Expected;
    }[];
  }[];
};
type WireEntry = {
  readonly v: number;
  readonly id: string;
  readonly match: Match;
  readonly reach: Reach;
  readonly effect: Effect;
  readonly cut_off?: number;
  readonly cut_off_basis?: CutOffBasis;
  readonly lapses_at?: number;
  readonly step_up?: StepUp;
  readonly restrict?: Restrict;
};
type Expected = {
  readonly effect: string;
  readonly matched: readonly string[];
  readonly issued_after?: number;
  readonly scope?: string;
  readonly read_only?: boolean;
  readonly denied_tools?: readonly string[];
  readonly rate_per_minute?: number;
  readonly step_ups?: readonly StepUp[];
  readonly require_nonce?: boolean;
};

const file = new URL('../vectors/matching.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

const isUnknown = (entry: WireEntry): boolean =>
  entry.v !== entryVersion || unknownPartOf(entry) !== undefined;

function toEntry(wire: WireEntry): CheckableEntry {
  const { cut_off, cut_off_basis, lapses_at, step_up, restrict, ...rest } = wire;
  return {
    ...rest,
    ...(cut_off !== undefined && { cutOff: cut_off }),
    ...(cut_off_basis !== undefined && { cutOffBasis: cut_off_basis }),
    ...(lapses_at !== undefined && { lapsesAt: lapses_at }),
    ...(step_up && { stepUp: step_up }),
    ...(restrict && { restrict }),
  };
}

function answer(entries: readonly WireEntry[], context: TokenContext, now: number): Required<Expected> {
  const { effect, matched, issuedAfter, obligations } = check(entries.map(toEntry), context, now);
  return {
    effect,
    matched,
    issued_after: issuedAfter as number,
    scope: obligations.scope as string,
    read_only: obligations.readOnly,
    denied_tools: obligations.deniedTools,
    rate_per_minute: obligations.ratePerMinute as number,
    step_ups: obligations.stepUps,
    require_nonce: obligations.requireNonce,
  };
}

const defaults = {
  issued_after: undefined,
  scope: undefined,
  read_only: false,
  denied_tools: [],
  rate_per_minute: undefined,
  step_ups: [],
  require_nonce: false,
};

describe('DESIGN §5: the reference matcher answers every vector', () => {
  describe.each(vectors.groups)('$name', ({ now, entries, not_applied = [], checks }) => {
    const known = entries.filter((entry) => !isUnknown(entry));
    it('says which entries it does not apply', () => {
      expect(entries.filter(isUnknown).map(({ id }) => id)).toEqual(not_applied);
    });
    it.each(checks)('$name', ({ context, expect: expected }) => {
      expect(answer(known, context, now)).toEqual({ ...defaults, ...expected });
    });
  });

  it('the vectors were read whole', () => {
    expect(vectors.version).toBe(1);
    expect(vectors.groups.length).toBeGreaterThanOrEqual(35);
    expect(vectors.groups.flatMap(({ checks }) => checks).length).toBeGreaterThanOrEqual(110);
  });
});

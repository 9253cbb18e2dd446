import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/core/decide.ts';
import type { PlannedPut } from '../../src/core/decision.ts';
import { eventTypes } from '../../src/core/events/event-types.ts';
import { check, type CheckableEntry } from '../../src/core/match.ts';
import { matchKey } from '../../src/core/match-key.ts';
import type { Match, Revocation } from '../../src/core/revocation.ts';
import { effects } from '../../src/core/revocation.ts';
import type { TokenContext } from '../../src/core/token-context.ts';
import { revocationId } from '../../src/core/vocabulary.ts';
import {
  anAgent,
  aMemory,
  aResolution,
  aRevocation,
  aSource,
  aStatement,
  aWorld,
  idp,
  jkt,
  nowSeconds,
} from './builders.ts';

const names = [
  { iss: idp, client_id: 'build-runner' },
  { iss: idp, sub: 'alice' },
  { jkt },
  { iss: idp, sid: 's-1' },
] as const;
const subject = fc.constantFrom<Match>(...names, { iss: idp, jti: 't-1' }, { iss: idp });
const data = fc.record(
  {
    current_level: fc.constantFrom('LOW', 'MEDIUM', 'HIGH'),
    current_status: fc.constantFrom('compliant', 'not-compliant'),
    change_direction: fc.constantFrom('increase', 'decrease'),
    change_type: fc.constantFrom('create', 'revoke'),
    confidence: fc.constantFrom('high', 'medium', 'low'),
    cut_off: fc.constantFrom('now', nowSeconds - 100),
    effect: fc.constantFrom(...effects),
  },
  { requiredKeys: [] },
);
const step = fc.record({
  event: fc.constantFrom(...eventTypes.map(({ name }) => name)),
  subject,
  data,
  eventTime: fc.integer({ min: nowSeconds - 5_000, max: nowSeconds + 50 }),
  isWhole: fc.boolean(),
  strongestEffect: fc.constantFrom(...effects),
  killsInLastMinute: fc.constantFrom(0, 100),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const token: TokenContext = {
  iss: idp,
  sub: 'alice',
  client_id: 'build-runner',
  jkt,
  jti: 't-1',
  sid: 's-1',
  iat: nowSeconds - 60,
  auth_time: nowSeconds - 60,
};

/** What the pipeline does with a decision: merges forward a put with a cut-off, adds any other. */
function put(live: readonly Revocation[], planned: PlannedPut, id: string): readonly Revocation[] {
  const { standing: _, ...rest } = planned;
  const entry = aRevocation({ id: revocationId(id) });
  const { family: __, agent: ___, ...base } = entry;
  const added: Revocation = { ...base, ...rest };
  const merges = (one: Revocation) =>
    one.cutOff !== undefined &&
    added.cutOff !== undefined &&
    one.effect === added.effect &&
    one.reach === added.reach &&
    one.cutOffBasis === added.cutOffBasis &&
    one.family === added.family &&
    matchKey(one.match) === matchKey(added.match);
  const old = live.find(merges);
  if (old === undefined) return [...live, added];
  const later = (first = 0, second = 0) => Math.max(first, second);
  const moved = { cutOff: later(old.cutOff, added.cutOff), lapsesAt: later(old.lapsesAt, added.lapsesAt) };
  return live.map((one) => (one === old ? { ...old, ...moved } : one));
}

function decideStep(taken: Step, live: readonly Revocation[]) {
  const statement = aStatement({
    event: taken.event,
    subject: { ...taken.subject },
    data: taken.data,
    eventTime: taken.eventTime,
    source: aSource({ strongestEffect: taken.strongestEffect }),
  });
  const agents = taken.isWhole ? [anAgent('build-runner', [...names])] : [];
  const memory = aMemory({ familyEntries: live, named: live, killsInLastMinute: taken.killsInLastMinute });
  return decide(statement, aResolution(statement, { agents }), memory, aWorld());
}

const effectOn = (live: readonly CheckableEntry[]) => check(live, token, nowSeconds).effect;

describe('DESIGN §14.5: only a lift or a lapse ends a denial', () => {
  it('no sequence of decisions turns a denial into anything milder without a lift', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let live: readonly Revocation[] = [];
        for (const [index, taken] of steps.entries()) {
          const before = effectOn(live);
          const decision = decideStep(taken, live);
          const lifted = new Set(decision.lifts);
          live = live.filter(({ id }) => !lifted.has(id));
          for (const [number, planned] of decision.puts.entries())
            live = put(live, planned, `rev_${index}_${number}`);
          expect(before !== 'deny' || lifted.size > 0 || effectOn(live) === 'deny').toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('an event that lifts is one whose kind lifts', () => {
    const lifting =
      /^(account-enabled|scim-prov-activate|risk-level-change\/(low|medium)|.*\/(increase|compliant)|revocation-lifted)$/;
    fc.assert(
      fc.property(step, (taken) => {
        const { lifts, rule } = decideStep(taken, [aRevocation()]);
        expect(lifts.length === 0 || lifting.test(rule)).toBe(true);
      }),
    );
  });

  it('lifting disables leaves every token dead that was issued before', () => {
    const live = names.map((match, index) => aRevocation({ id: revocationId(`rev_${index}`), match }));
    fc.assert(
      fc.property(
        fc.constantFrom('account-enabled', 'revocation-lifted'),
        fc.integer({ min: 0, max: nowSeconds }),
        (event, iat) => {
          const statement = aStatement({ event, data: { revocation_id: 'rev_0' } });
          const memory = aMemory({ familyEntries: live, named: live });
          const { puts, lifts } = decide(statement, aResolution(statement), memory, aWorld());
          expect(lifts).toHaveLength(live.length);
          const left = puts.map((planned, index): CheckableEntry => ({ ...planned, id: `left_${index}` }));
          expect(check(left, { ...token, iat }, nowSeconds).effect).toBe('deny');
        },
      ),
    );
  });

  it('a decision is a function of its arguments', () => {
    fc.assert(
      fc.property(step, (taken) => {
        expect(decideStep(taken, [aRevocation()])).toEqual(decideStep(taken, [aRevocation()]));
      }),
    );
  });

  it('every put is one that a point can apply: no match is empty, no lapse lies in the past', () => {
    fc.assert(
      fc.property(step, (taken) => {
        for (const { match, lapsesAt, cutOff, effect, stepUp, restrict } of decideStep(taken, []).puts) {
          expect(Object.keys(match)).not.toEqual([]);
          expect(lapsesAt ?? nowSeconds).toBeGreaterThanOrEqual(nowSeconds);
          expect([lapsesAt, cutOff].every((second) => second === undefined || Number.isInteger(second))).toBe(
            true,
          );
          expect([stepUp !== undefined, restrict !== undefined]).toEqual([
            effect === 'step_up',
            effect === 'restrict',
          ]);
        }
      }),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { verificationDeadlineMs } from '../../src/core/upstream-health.ts';
import { planVerification } from '../../src/receiver/plan-verification.ts';
import type { Upstream } from '../../src/receiver/ports.ts';

const now = 1_763_764_000_000;
const settings = { verifyEverySeconds: 600 } as Upstream['settings'];
type Given = Partial<Pick<Upstream, 'verification' | 'failure'>> & { min?: number; isWanted?: true };
const plan = ({ verification = {}, failure, min, isWanted }: Given) =>
  planVerification(
    { settings, verification, ...(failure === undefined ? {} : { failure }) },
    min === undefined ? {} : { minVerificationSeconds: min },
    { nowMs: now, isWanted: isWanted === true },
  );
const asked = { kind: 'ask', missing: false };
const until = (untilMs: number) => ({ kind: 'wait', untilMs });
const callFailed = { atMs: now, step: 'verify', text: 'no' } as const;

describe('a verification event is asked for', () => {
  it.each<[string, Given, object]>([
    ['at first', {}, asked],
    ['again after the interval', { verification: { verifiedAtMs: now - 600_000 } }, asked],
    ['not before', { verification: { verifiedAtMs: now - 599_000 } }, until(now + 1_000)],
    ['before, if somebody wants it', { verification: { verifiedAtMs: now - 1_000 }, isWanted: true }, asked],
    [
      'not more often than min_verification_interval allows, whoever wants it',
      { verification: { verifiedAtMs: now - 1_000 }, min: 30, isWanted: true },
      until(now + 29_000),
    ],
    [
      'while one is awaited: not again',
      { verification: { requestedAtMs: now - 1_000, verifiedAtMs: now - 900_000 } },
      until(now - 1_000 + verificationDeadlineMs),
    ],
    [
      'and it did not come in time',
      { verification: { requestedAtMs: now - verificationDeadlineMs } },
      { kind: 'ask', missing: true },
    ],
    [
      'and asking failed: again, and it is not missing',
      { verification: { requestedAtMs: now - verificationDeadlineMs }, failure: callFailed },
      asked,
    ],
    [
      'and asking failed: not more often than is allowed',
      { verification: { requestedAtMs: now - 1_000 }, failure: callFailed, min: 60 },
      until(now + 59_000),
    ],
  ])('%s', (_name, given, expected) => {
    expect(plan(given)).toEqual(expected);
  });
});

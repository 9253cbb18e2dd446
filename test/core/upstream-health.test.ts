import { describe, expect, it } from 'vitest';
import {
  silentAfterIntervals,
  type UpstreamCondition,
  upstreamHealth,
  verificationDeadlineMs,
} from '../../src/core/upstream-health.ts';

const now = 1_763_764_000_000;
const everySeconds = 600;
const quietMs = everySeconds * 1_000 * silentAfterIntervals;
const well: UpstreamCondition = {
  paused: false,
  boundAtMs: now - 10 * quietMs,
  canBeAsked: true,
  verifyEverySeconds: everySeconds,
  streamStatus: { status: 'enabled' },
  verification: { verifiedAtMs: now - 1_000 },
  lastSetAtMs: now - 1_000,
};
const failure = { step: 'connect', text: 'no.' };
const { boundAtMs: _, ...unbound } = well;
const { lastSetAtMs: __, ...unheard } = well;

describe('the first row that holds is the health of an upstream', () => {
  it.each<[string, UpstreamCondition, string, RegExp]>([
    ['all is well', well, 'verified', /verified at 2025-11-21T22:26:39Z/],
    ['paused comes before everything', { ...well, paused: true, failure }, 'paused', /paused here/],
    ['a step fails', { ...well, failure }, 'failing', /"connect" fails: no\./],
    [
      'its Transmitter stopped the stream',
      { ...well, streamStatus: { status: 'disabled', reason: 'upkeep' } },
      'failing',
      /disabled: upkeep/,
    ],
    ['not connected yet', { ...unbound, verification: {} }, 'connecting', /being connected/],
    ['a step fails before it is connected', { ...unbound, failure }, 'failing', /no\./],
    ['verification was missed', { ...well, failure: { ...failure, isSilence: true } }, 'silent', /^no\.$/],
    [
      'verification is late',
      { ...well, verification: { requestedAtMs: now - verificationDeadlineMs - 1 } },
      'silent',
      /did not come/,
    ],
    [
      'verification is awaited, and was there before',
      { ...well, verification: { requestedAtMs: now - verificationDeadlineMs, verifiedAtMs: now - 5_000 } },
      'verified',
      /verified at/,
    ],
    [
      'nothing came for long',
      { ...unheard, verification: { verifiedAtMs: now - quietMs - 1 } },
      'silent',
      /Nothing came from it since/,
    ],
    [
      'quiet is not silent yet',
      { ...unheard, verification: { verifiedAtMs: now - quietMs } },
      'verified',
      /./,
    ],
    ['a SET is no silence', { ...well, verification: { verifiedAtMs: now - 9 * quietMs } }, 'verified', /./],
    ['connected just now', { ...unheard, boundAtMs: now, verification: {} }, 'unverified', /not come yet/],
    [
      'it cannot be asked',
      { ...unheard, boundAtMs: now, canBeAsked: false, verification: {} },
      'unverified',
      /cannot be asked/,
    ],
  ])('%s', (_name, condition, state, text) => {
    expect(upstreamHealth(condition, now)).toEqual({ state, text: expect.stringMatching(text) });
  });
});

import { describe, expect, it } from 'vitest';
import { client, decided, idp, jkt, nowSeconds, uriOf } from './builders.ts';

const skew = 10;
const life = 3_600;
const session = 86_400;

describe('DESIGN §5: cut-offs', () => {
  it('a session ends at the time of the event, rounded up, plus the skew of the issuer', () => {
    const { puts } = decided({ eventTime: nowSeconds - 60.4 });
    expect(puts).toMatchObject([{ cutOff: nowSeconds - 60 + skew, cutOffBasis: 'session' }]);
  });

  it('a compromise reaches up to now, for the attacker may have minted since', () => {
    const { puts } = decided({ event: 'credential-compromise', eventTime: nowSeconds - 600 });
    expect(puts).toMatchObject([{ cutOff: nowSeconds + skew }]);
    expect(puts[0]).not.toHaveProperty('cutOffBasis');
  });

  it.each([['session-revoked'], ['credential-compromise'], ['account-disabled']])(
    'a %s from the future is taken as of now, flagged, and costs no kill',
    (event) => {
      const decision = decided({ event, eventTime: nowSeconds + 86_400 });
      expect(decision).toMatchObject({ outcome: 'applied', kills: true });
      expect(decision.warnings.map(({ code }) => code)).toContain('event-time-in-future');
      expect(decision.puts[0]?.cutOff ?? nowSeconds + skew).toBe(nowSeconds + skew);
    },
  );

  it('what happened in time is not flagged', () => {
    const { warnings } = decided({ eventTime: nowSeconds });
    expect(warnings.map(({ code }) => code)).not.toContain('event-time-in-future');
  });

  it.each([
    ['session-revoked', { format: 'complex', session: { format: 'iss_sub', iss: idp, sub: 's-1' } }],
    ['session-revoked', { iss: idp, jti: 't-1' }],
    ['credential-compromise', { jkt }],
    ['key-compromised', { jkt }],
    ['task-ended', { iss: idp, sid: 's-1' }],
    ['token-claims-change', { iss: idp, jti: 't-1' }],
  ])('%s of %o has no cut-off: it ends for good', (event, subject) => {
    expect(decided({ event, subject }).puts).toMatchObject([{ effect: 'deny' }]);
    expect(decided({ event, subject }).puts[0]).not.toHaveProperty('cutOff');
  });

  it('new claims end the tokens of a session that were issued before, not the session', () => {
    const { puts } = decided({ event: 'token-claims-change', subject: { iss: idp, sid: 's-1' } });
    expect(puts).toMatchObject([{ cutOff: nowSeconds - 30 + skew }]);
  });

  it('an issuer that nobody configured has the default skew, and the answer says so', () => {
    const { puts, warnings } = decided({ subject: { iss: 'https://other.example', sub: 'x' } });
    expect(puts).toMatchObject([{ cutOff: nowSeconds - 30 + 5 }]);
    expect(warnings.map(({ code }) => code)).toContain('issuer-not-configured');
  });

  it('a key holds at every issuer: the widest times count', () => {
    const { puts } = decided({ subject: { jkt } });
    expect(puts).toMatchObject([
      { cutOff: nowSeconds - 30 + skew, lapsesAt: nowSeconds - 30 + skew + 86_400 + skew + 30 * 86_400 },
    ]);
  });

  it('a cut-off leaves refresh tokens alive, and the answer says so', () => {
    expect(decided().warnings.map(({ code }) => code)).toEqual(['refresh-not-revoked']);
    expect(decided({ event: 'account-disabled' }).warnings).toEqual([]);
  });
});

describe('DESIGN §5: lapse', () => {
  it('a cut-off lapses when no token from before it can be alive', () => {
    const { puts } = decided({ event: 'token-claims-change' });
    const cutOff = nowSeconds - 30 + skew;
    expect(puts).toMatchObject([{ cutOff, lapsesAt: cutOff + life + skew }]);
  });

  it('a session cut-off lasts as long as the session can be refreshed, and one token longer', () => {
    const { puts } = decided();
    expect(puts).toMatchObject([{ lapsesAt: nowSeconds - 30 + skew + life + skew + session }]);
  });

  it('one token is forgotten when it expires, and never later than the longest life', () => {
    const subject = { iss: idp, jti: 't-1' };
    const lapse = (data: { exp?: number }) =>
      decided({ event: 'token-stolen', subject, data }).puts[0]?.lapsesAt;
    expect(lapse({ exp: nowSeconds + 100.5 })).toBe(nowSeconds + 101 + skew);
    expect(lapse({})).toBe(nowSeconds + life + skew);
    expect(lapse({ exp: nowSeconds + 10_000_000 })).toBe(nowSeconds + life + skew + skew);
  });

  it('a session is forgotten after the longest session', () => {
    const { puts } = decided({ subject: { iss: idp, sid: 's-1' } });
    expect(puts).toMatchObject([{ lapsesAt: nowSeconds + life + skew + session }]);
  });

  it.each([
    ['account-disabled', { ...client }],
    ['build-untrusted', { ...client }],
    ['key-compromised', { jkt }],
    ['key-compromised', { 'x5t#S256': jkt }],
    ['revocation-ordered', { ...client }],
  ])('%s of %o never lapses, however old', (event, subject) => {
    const decision = decided({ event, subject, eventTime: 0 });
    expect(decision.outcome).toBe('applied');
    expect(decision.puts[0]).not.toHaveProperty('lapsesAt');
  });

  it.each(['token-claims-change', 'risk-level-change'])(
    'a cut-off of %s older than any token needs no entry, and the answer says so',
    (event) => {
      const data = event === 'risk-level-change' ? { current_level: 'HIGH' } : { claims: { a: 1 } };
      const decision = decided({ event, data, eventTime: nowSeconds - life - 2 * skew - 1 });
      expect(decision).toMatchObject({ outcome: 'recorded', puts: [], standing: [] });
      expect(decision.warnings.map(({ code }) => code)).toContain('older-than-tokens');
      const inTime = decided({ event, data, eventTime: nowSeconds - life - 2 * skew });
      expect(inTime.outcome).toBe('applied');
    },
  );
});

describe('revocation-ordered: as ordered', () => {
  const ordered = (data: object) => decided({ event: 'revocation-ordered', data: { ...data } });

  it('kills tokens up to now, or up to a second, never a later one', () => {
    expect(ordered({ cut_off: 'now' }).puts).toMatchObject([{ effect: 'deny', cutOff: nowSeconds + skew }]);
    expect(ordered({ cut_off: nowSeconds - 100 }).puts).toMatchObject([{ cutOff: nowSeconds - 100 + skew }]);
    expect(ordered({ cut_off: nowSeconds + 1e6 }).puts).toMatchObject([{ cutOff: nowSeconds + skew }]);
  });

  it('a timed disable is lifted by the hub and does not lapse', () => {
    const { puts } = ordered({ lift_after_seconds: 600 });
    expect(puts).toMatchObject([{ liftAtMs: (nowSeconds + 600) * 1_000 }]);
    expect(puts[0]).not.toHaveProperty('lapsesAt');
  });

  it('reductions reach the current actor, unless said otherwise', () => {
    expect(ordered({ effect: 'restrict' }).puts).toMatchObject([
      { reach: 'actor', restrict: { read_only: true } },
    ]);
    const said = { effect: 'restrict', reach: 'chain', restrict: { rate: { per_minute: 6 } } };
    expect(ordered(said).puts).toMatchObject([{ reach: 'chain', restrict: { rate: { per_minute: 6 } } }]);
    const stepUp = { effect: 'step_up', step_up: { acr_values: ['phr'] } };
    expect(ordered(stepUp).puts).toMatchObject([{ stepUp: { acr_values: ['phr'], after: nowSeconds } }]);
  });

  it('its reason is the short name of the event', () => {
    expect(ordered({}).puts[0]?.reason).toBe('revocation-ordered');
    expect(uriOf('revocation-ordered')).toBe('urn:caep-hub:event:revocation-ordered');
  });
});

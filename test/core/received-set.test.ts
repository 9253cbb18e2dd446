import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  claimChecks,
  clockSkewSeconds,
  headerChecks,
  isRefusal,
  issuerChecks,
  judgeUnverified,
  readReceivedSet,
  type ReceivedSet,
  type SetExpectation,
  setErrorCodes,
} from '../../src/core/received-set.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';

const now = 1_763_764_000;
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const expected: SetExpectation = {
  issuer: 'https://idp.example/tenant',
  audience: ['https://hub.example', 'stream-7'],
  algorithm: 'RS256',
  subjectInEvent: false,
  typMayBeMissing: false,
};
const aHeader = (parts: JsonObject = {}): JsonObject => ({
  alg: 'RS256',
  kid: 'k1',
  typ: 'secevent+jwt',
  ...parts,
});
const aSet = (parts: JsonObject = {}): JsonObject => ({
  iss: 'https://idp.example/tenant',
  jti: 'j1',
  iat: now,
  aud: 'https://hub.example',
  sub_id: { format: 'iss_sub', iss: 'https://idp.example/tenant', sub: 'u1' },
  events: { [sessionRevoked]: {} },
  ...parts,
});
const without = (member: string, from: JsonObject): JsonObject => {
  const { [member]: _, ...rest } = from;
  return rest;
};
const read = (claims: JsonObject, more: Partial<SetExpectation> = {}) =>
  readReceivedSet(claims, { ...expected, ...more }, now);
const taken = (claims: JsonObject, more: Partial<SetExpectation> = {}): ReceivedSet => {
  const set = read(claims, more);
  if (isRefusal(set)) throw new Error(set.description);
  return set;
};
const errOf = (claims: JsonObject, more: Partial<SetExpectation> = {}) => {
  const set = read(claims, more);
  return isRefusal(set) ? set.err : undefined;
};

describe('before the signature', () => {
  const judge = (header: JsonObject, claims = aSet(), more: Partial<SetExpectation> = {}) =>
    judgeUnverified({ header, claims }, { ...expected, ...more })?.err;

  it.each([
    ['SSF 1.0 §4.1.1: no typ', without('typ', aHeader()), 'invalid_request'],
    ['RFC 8725 §3.11: an access token', aHeader({ typ: 'at+jwt' }), 'invalid_request'],
    ['an ID token', aHeader({ typ: 'JWT' }), 'invalid_request'],
    ['a typ that is no text', aHeader({ typ: ['secevent+jwt'] }), 'invalid_request'],
    ['RFC 7515 §4.1.11: crit', aHeader({ crit: ['b64'] }), 'invalid_request'],
    ['RFC 8725 §3.1: none', aHeader({ alg: 'none' }), 'invalid_key'],
    ['a MAC', aHeader({ alg: 'HS256' }), 'invalid_key'],
    ['another algorithm than was agreed upon', aHeader({ alg: 'ES256' }), 'invalid_key'],
    ['no kid', without('kid', aHeader()), 'invalid_key'],
    ['an empty kid', aHeader({ kid: '' }), 'invalid_key'],
  ])('%s is refused', (_name, header, err) => {
    expect(judge(header)).toBe(err);
  });

  it('RFC 7515 §4.1.9: the typ may be a whole media type, in any case', () => {
    expect(judge(aHeader({ typ: 'application/SECEVENT+jwt' }))).toBeUndefined();
  });

  it('only for an upstream that is known to send none, typ may be missing; a wrong one is wrong there, too', () => {
    expect(judge(without('typ', aHeader()), aSet(), { typMayBeMissing: true })).toBeUndefined();
    expect(judge(aHeader({ typ: 'JWT' }), aSet(), { typMayBeMissing: true })).toBe('invalid_request');
  });

  it.each([
    undefined,
    'https://idp.example',
    'https://idp.example/tenant/',
    'https://other.example',
    null,
    7,
  ])('SSF 1.0 §4.1.6: the issuer %j is another one', (iss) => {
    const claims = iss === undefined ? without('iss', aSet()) : aSet({ iss });
    expect(judge(aHeader(), claims)).toBe('invalid_issuer');
  });
});

describe('after the signature', () => {
  it.each<[string, JsonObject, string]>([
    ['no aud', without('aud', aSet()), 'invalid_audience'],
    ['the audience of another', aSet({ aud: 'https://hub.example/' }), 'invalid_audience'],
    ['an aud that is an object', aSet({ aud: { 'https://hub.example': true } }), 'invalid_audience'],
    ['SSF 1.0 §4.1.7: exp', aSet({ exp: now + 60 }), 'invalid_request'],
    ['exp: null', aSet({ exp: null }), 'invalid_request'],
    ['SSF 1.0 §4.1.2: sub', aSet({ sub: 'u1' }), 'invalid_request'],
    ['RFC 8417 §2.2: no jti', without('jti', aSet()), 'invalid_request'],
    ['a jti that is a number', aSet({ jti: 7 }), 'invalid_request'],
    ['an endless jti', aSet({ jti: 'j'.repeat(257) }), 'invalid_request'],
    ['no iat', without('iat', aSet()), 'invalid_request'],
    ['an iat that is a text', aSet({ iat: `${now}` }), 'invalid_request'],
    ['a negative iat', aSet({ iat: -1 }), 'invalid_request'],
    ['an iat beyond the skew', aSet({ iat: now + clockSkewSeconds + 1 }), 'invalid_request'],
    ['a txn that is a number', aSet({ txn: 7 }), 'invalid_request'],
    ['a toe that is a text', aSet({ toe: 'now' }), 'invalid_request'],
    ['no events', without('events', aSet()), 'invalid_request'],
    ['empty events', aSet({ events: {} }), 'invalid_request'],
    ['two events', aSet({ events: { [sessionRevoked]: {}, 'urn:other': {} } }), 'invalid_request'],
    ['events as an array', aSet({ events: [sessionRevoked] }), 'invalid_request'],
    ['an event that is null', aSet({ events: { [sessionRevoked]: null } }), 'invalid_request'],
    ['an event that is no URI', aSet({ events: { 'session-revoked': {} } }), 'invalid_request'],
    ['SSF 1.0 §3.1: no sub_id', without('sub_id', aSet()), 'invalid_request'],
    ['a sub_id that is a text', aSet({ sub_id: 'u1' }), 'invalid_request'],
    ['a sub_id without format', aSet({ sub_id: { sub: 'u1' } }), 'invalid_request'],
    [
      'the subject in the event',
      aSet({
        sub_id: undefined as never,
        events: { [sessionRevoked]: { subject: { format: 'opaque', id: 'x' } } },
      }),
      'invalid_request',
    ],
  ])('%s is refused', (_name, claims, err) => {
    expect(errOf(claims)).toBe(err);
  });

  it('SSF 1.0 §4.1.8: aud may be one of several, and have several', () => {
    expect(taken(aSet({ aud: ['other', 'stream-7'] })).jti).toBe('j1');
  });

  it('SSF 1.0 §4.2.3: what is not understood is passed over', () => {
    expect(taken(aSet({ nbf: now + 10_000, vnd_more: { deep: [1] } })).eventType).toBe(sessionRevoked);
  });

  it('SSF-SET-41: nothing is too old, and a clock may be a little ahead', () => {
    expect(taken(aSet({ iat: 1 })).iat).toBe(1);
    expect(taken(aSet({ iat: now + clockSkewSeconds })).iat).toBe(now + clockSkewSeconds);
  });

  it('what is plainly in milliseconds is taken as that, and said so', () => {
    const events = { [sessionRevoked]: { event_timestamp: (now - 60) * 1_000 } };
    const set = taken(aSet({ iat: now * 1_000, toe: (now - 30) * 1_000 + 500, events }));
    expect(set).toMatchObject({ iat: now, toe: now - 29.5, payload: { event_timestamp: now - 60 } });
    expect(set.repaired).toEqual(['/iat', '/toe', '/events/event_timestamp']);
    expect(errOf(aSet({ iat: 1e15 }))).toBe('invalid_request');
  });

  it('only for an upstream that is known to do so, the subject may stand in the event, in the words of old RISC too', () => {
    const events = { [sessionRevoked]: { subject: { subject_type: 'iss-sub', iss: 'https://x', sub: 'u' } } };
    const set = taken(without('sub_id', aSet({ events })), { subjectInEvent: true });
    expect(set.subject).toEqual({ format: 'iss_sub', iss: 'https://x', sub: 'u' });
  });
});

it('every check names its section and an error code of RFC 8935 or SSF', () => {
  for (const { section, err, description } of [...headerChecks, ...issuerChecks, ...claimChecks]) {
    expect(section).toMatch(/^(SSF 1\.0|RFC \d+) §/);
    expect(setErrorCodes).toContain(err);
    expect(description).toMatch(/\.$/);
  }
});

it('whatever the claims are, reading them neither throws nor takes what a check forbids', () => {
  const members = ['iss', 'jti', 'iat', 'aud', 'exp', 'sub', 'sub_id', 'events', 'txn', 'toe', '__proto__'];
  const claims = fc.dictionary(fc.constantFrom(...members), fc.jsonValue() as fc.Arbitrary<never>);
  fc.assert(
    fc.property(claims, fc.boolean(), (some, subjectInEvent) => {
      const set = read({ ...aSet(), ...some }, { subjectInEvent });
      if (isRefusal(set)) return;
      expect(Object.hasOwn(some, 'exp') || Object.hasOwn(some, 'sub')).toBe(false);
      expect(set.jti.length).toBeGreaterThan(0);
    }),
    { numRuns: 2_000 },
  );
});

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Problem } from '../../src/core/problem.ts';
import { streamUpdatedEventType, verificationEventType } from '../../src/core/set-claims.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';
import { setBytesMax } from '../../src/receiver/accept-set.ts';
import type { Upstream } from '../../src/receiver/ports.ts';
import { makeUpstreamKeys, type SignOptions, type UpstreamKeys } from '../support/upstream-keys.ts';
import { aDoor as aDoorWith, anUpstream, caep, claimsOf, now, user } from './a-door.ts';

let keys: UpstreamKeys;
beforeAll(async () => {
  keys = await makeUpstreamKeys('ES256');
});
const aDoor = (upstream?: Upstream, failing?: Problem) => aDoorWith(keys, upstream, failing);

describe('a SET that is taken', () => {
  it('is a statement of the source: its txn, its own time, its jti as the id, nothing filled in', async () => {
    const door = aDoor();
    const claims = claimsOf(caep('session-revoked'), { jti: 'j1', toe: now - 60 });
    expect(await door.send(claims)).toEqual({ kind: 'acknowledged', outcome: 'signal' });
    expect(door.handled).toMatchObject([
      {
        actor: 'upstream:idp',
        externalId: 'j1',
        txn: 'txn-1',
        eventTime: now - 60,
        subject: user,
        data: {},
        relayed: true,
      },
    ]);
  });

  it('counts from event_timestamp, before toe and iat', async () => {
    const door = aDoor();
    await door.send(claimsOf(caep('session-revoked'), { toe: now - 60 }, { event_timestamp: now - 90 }));
    expect(door.handled[0]?.eventTime).toBe(now - 90);
  });

  it('SSF-SET-45: signed again by another key it is the same, under other claims it is not', async () => {
    const door = aDoor();
    const claims = claimsOf(caep('session-revoked'), { jti: 'j1' });
    await door.send(claims);
    await keys.rotate();
    door.pass(60_000);
    expect(await door.send(claims)).toEqual({ kind: 'acknowledged', outcome: 'repeated' });
    expect(door.handled).toHaveLength(1);
    expect(await door.send({ ...claims, txn: 'txn-2' })).toMatchObject({ err: 'invalid_request' });
  });

  it('keeps the kill where something beside it is not as CAEP has it', async () => {
    const door = aDoor();
    const payload = { reason_admin: 'a plain text', initiating_entity: 'robot' };
    expect(await door.send(claimsOf(caep('session-revoked'), {}, payload))).toMatchObject({
      outcome: 'signal',
    });
    expect(door.handled[0]?.data).toEqual({});
  });

  it('is refused where what decides is not', async () => {
    const door = aDoor();
    const answer = await door.send(claimsOf(caep('credential-change'), {}, { change_type: 'burnt' }));
    expect(answer).toMatchObject({ kind: 'rejected', err: 'invalid_request' });
    expect(door.handled).toEqual([]);
  });
});

describe('a SET that puts nothing into force is acknowledged and written down', () => {
  it.each<[string, string, JsonObject, string]>([
    ['an event that nobody knows', 'urn:example:new-event', {}, 'unknown-event'],
    [
      'a subject of another issuer',
      caep('session-revoked'),
      { sub_id: { ...user, iss: 'https://other.example' } },
      'refused',
    ],
    ['an order', 'urn:caep-hub:event:revocation-ordered', {}, 'refused'],
    [
      'a format that nobody knows',
      caep('session-revoked'),
      { sub_id: { format: 'new', id: '1' } },
      'not-understood',
    ],
    [
      'SSF 1.0 §3.6: a critical member that would be passed over',
      caep('session-revoked'),
      { sub_id: { format: 'complex', user, tenant: { format: 'opaque', id: 't1' } } },
      'not-understood',
    ],
  ])('%s', async (_name, type, parts, outcome) => {
    const door = aDoor();
    const claims = claimsOf(type, parts);
    expect(await door.send(claims)).toEqual({ kind: 'acknowledged', outcome });
    expect(await door.send(claims)).toEqual({ kind: 'acknowledged', outcome: 'repeated' });
    expect(door.recorded).toMatchObject([{ upstream: 'idp', jti: claims['jti'], eventType: type, outcome }]);
    expect(door.handled).toEqual([]);
  });

  it('an order that the source may give by name is a signal', async () => {
    const order = 'urn:caep-hub:event:revocation-ordered';
    const upstream = anUpstream();
    const door = aDoor({ ...upstream, source: { ...upstream.source, eventTypes: [order] } });
    expect(await door.send(claimsOf(order))).toMatchObject({ outcome: 'signal' });
  });
});

describe('verification (SSF 1.0 §8.1.4)', () => {
  const ofStream = { sub_id: { format: 'opaque', id: 'stream-1' } };
  const waiting = () => aDoor(anUpstream({ verification: { state: 's3cret', requestedAtMs: 1 } }));

  it('with the state that was sent verifies the stream, and is acknowledged when it comes again', async () => {
    const door = waiting();
    const claims = claimsOf(verificationEventType, ofStream, { state: 's3cret' });
    expect(await door.send(claims)).toEqual({ kind: 'acknowledged', outcome: 'verification' });
    expect(door.noted).toEqual([{ verifiedAtMs: now * 1_000, failure: null }]);
    expect(await door.send(claims)).toEqual({ kind: 'acknowledged', outcome: 'repeated' });
  });

  it.each([[{ state: 'another' }], [{ state: '' }], [{ state: null }], [{ state: ['s3cret'] }]])(
    'with %j is invalid_state, and verifies nothing',
    async (payload) => {
      const door = waiting();
      const answer = await door.send(claimsOf(verificationEventType, ofStream, payload));
      expect(answer).toMatchObject({ kind: 'rejected', err: 'invalid_state' });
      expect(door.noted).toEqual([]);
    },
  );

  it('with a state that nobody waits for is invalid_state; without one it is taken', async () => {
    const door = aDoor();
    expect(await door.send(claimsOf(verificationEventType, ofStream, { state: 's' }))).toMatchObject({
      err: 'invalid_state',
    });
    expect(await door.send(claimsOf(verificationEventType, ofStream))).toMatchObject({
      outcome: 'verification',
    });
    expect(door.noted).toEqual([]);
  });

  it('about another stream is refused', async () => {
    const door = waiting();
    const claims = claimsOf(
      verificationEventType,
      { sub_id: { format: 'opaque', id: 'stream-2' } },
      { state: 's3cret' },
    );
    expect(await door.send(claims)).toMatchObject({ kind: 'rejected', err: 'invalid_request' });
  });

  it('SSF 1.0 §8.1.5: stream-updated is noted, its reason made harmless', async () => {
    const door = aDoor();
    await door.send(
      claimsOf(streamUpdatedEventType, ofStream, { status: 'paused', reason: 'night\u001b[2J' }),
    );
    expect(door.noted).toMatchObject([{ streamStatus: { status: 'paused', reason: 'night\u{fffd}[2J' } }]);
    const wrong = await door.send(claimsOf(streamUpdatedEventType, ofStream, { status: 'gone' }));
    expect(wrong).toMatchObject({ kind: 'rejected', err: 'invalid_request' });
  });
});

describe('a SET that is not authentic', () => {
  const claims = () => claimsOf(caep('session-revoked'));
  it.each<[string, SignOptions, string]>([
    ['no signature', { alg: 'none' }, 'invalid_request'],
    ['a MAC with the public key', { alg: 'HS256' }, 'invalid_key'],
    ['another algorithm, by a published key', { alg: 'RS256' }, 'invalid_key'],
    ['another algorithm of the same family', { alg: 'ES384' }, 'invalid_key'],
    ['a forged signature', { forged: true }, 'invalid_key'],
    ['a kid of nobody', { kid: 'nobody' }, 'invalid_key'],
    ['no kid', { kid: null }, 'invalid_key'],
    ['crit, whatever else', { alg: 'HS256', header: { crit: ['exp'] } }, 'invalid_request'],
    ['an access token', { typ: 'at+jwt' }, 'invalid_request'],
  ])('%s is refused', async (_name, options, err) => {
    const door = aDoor();
    expect(await door.send(claims(), options)).toMatchObject({ kind: 'rejected', err });
    expect([...door.handled, ...door.recorded]).toEqual([]);
  });

  it('RFC 8725 §3.10: keys that the header carries or points to are nobody’s', async () => {
    const door = aDoor();
    const mine = await makeUpstreamKeys('ES256');
    const [jwk] = mine.jwks().keys;
    const header = { jwk: jwk as never, jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x5u' };
    expect(await door.sendText(await mine.sign(claims(), { header }))).toMatchObject({ err: 'invalid_key' });
  });

  it('SEC-24: any number of unknown kids causes a fetch or two, and each is told that it is unknown', async () => {
    const door = aDoor();
    const signed = Array.from({ length: 50 }, (_, index) => keys.sign(claims(), { kid: `junk-${index}` }));
    const junk = await Promise.all(signed);
    for (const answer of await Promise.all(junk.map(door.sendText)))
      expect(answer).toMatchObject({ err: 'invalid_key' });
    expect(door.fetches()).toBeLessThanOrEqual(2);
  });

  it('a key that is in use at once is found, however short ago the keys were fetched', async () => {
    const door = aDoor();
    await door.send(claims(), { kid: 'junk' });
    await keys.rotate({ dropOld: true });
    expect(await door.send(claims())).toMatchObject({ outcome: 'signal' });
    expect(door.fetches()).toBe(2);
  });

  it('too large, cut short and not a SET at all are refused', async () => {
    const door = aDoor();
    const compact = await keys.sign(claims());
    for (const text of [
      '',
      'x',
      'a.b.c',
      compact.slice(0, -20),
      `${compact}.x`,
      'A'.repeat(setBytesMax + 1),
    ]) {
      expect(await door.sendText(text)).toMatchObject({ kind: 'rejected' });
    }
    expect(door.handled).toEqual([]);
  });

  it('of several thousand mutated SETs none is taken, and none breaks anything', async () => {
    const door = aDoor();
    const compact = await keys.sign(claimsOf(caep('session-revoked'), { jti: 'mutant' }));
    const mutant = fc.tuple(
      fc.nat(compact.length - 1),
      fc.constantFrom(...'AZaz09-_.{" \u0000'.split('')),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(mutant, async ([at, character, drops]) => {
        const text = compact.slice(0, at) + (drops ? '' : character) + compact.slice(at + 1);
        if (text === compact || isSameBytes(text, compact)) return;
        expect(await door.sendText(text)).toMatchObject({ kind: 'rejected' });
      }),
      { numRuns: 3_000 },
    );
    expect([...door.handled, ...door.recorded]).toEqual([]);
  });
});

/** The last character of base64url has bits that mean nothing. */
const isSameBytes = (one: string, other: string): boolean => {
  const [head, tail] = [one.lastIndexOf('.'), other.lastIndexOf('.')];
  const bytes = (text: string, from: number) => Buffer.from(text.slice(from + 1), 'base64url');
  return one.slice(0, head) === other.slice(0, tail) && bytes(one, head).equals(bytes(other, tail));
};

it('what passes is neither acknowledged nor refused: storage that is gone, keys that cannot be had, no connection yet', async () => {
  const gone = new Problem('storage-unavailable', 'gone');
  await expect(aDoor(undefined, gone).send(claimsOf(caep('session-revoked')))).rejects.toBe(gone);
  const { binding: _, ...unbound } = anUpstream();
  await expect(aDoor(unbound).send(claimsOf(caep('session-revoked')))).rejects.toMatchObject({
    code: 'issuer-unavailable',
  });
});

it('what the pipeline refuses for good is written down or refused, as the problem has it', async () => {
  const reused = aDoor(undefined, new Problem('id-reused', 'The id was used for another signal.'));
  expect(await reused.send(claimsOf(caep('session-revoked')))).toMatchObject({ err: 'invalid_request' });
  const much = aDoor(undefined, new Problem('too-many-entries', 'Too many.'));
  expect(await much.send(claimsOf(caep('session-revoked')))).toMatchObject({ outcome: 'refused' });
});

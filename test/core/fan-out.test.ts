import { describe, expect, it } from 'vitest';
import { decide } from '../../src/core/decide.ts';
import type { Memory } from '../../src/core/decision.ts';
import { checkEventData, eventTypes, findEventType } from '../../src/core/events/event-types.ts';
import { fanOut, setsPerSignalMax, tellingsOf, type Audience } from '../../src/core/fan-out.ts';
import type { Resolution } from '../../src/core/resolution.ts';
import { clientId, setId, streamId } from '../../src/core/vocabulary.ts';
import {
  aMemory,
  anAgent,
  aRevocation,
  aResolution,
  aSource,
  aStatement,
  aWorld,
  client,
  jkt,
  nowSeconds,
  type StatementParts,
  uriOf,
} from './builders.ts';

type Parts = StatementParts & {
  readonly resolution?: Partial<Resolution>;
  readonly memory?: Partial<Memory>;
};

const deciding = ({ resolution: known, memory, ...parts }: Parts = {}) => {
  const statement = aStatement(parts);
  const resolution = aResolution(statement, known);
  const decision = decide(statement, resolution, aMemory(memory), aWorld());
  return { statement, resolution, decision, principal: 'agent:build-runner' };
};
const told = (parts: Parts = {}) => tellingsOf(deciding(parts));

const application = {
  format: 'complex',
  application: { format: 'iss_sub', iss: client.iss, sub: client.client_id },
};
const key = { format: 'uri', uri: `urn:ietf:params:oauth:jwk-thumbprint:sha-256:${jkt}` };
const child = {
  name: anAgent('child', []).name,
  protected: false,
  identities: [{ ...client, client_id: 'child' }],
};
const agents = [anAgent('build-runner', [client, { jkt }], { descendants: [child] })];
const example = (name: string) => findEventType(name)?.example ?? {};

describe('what is told about a signal', () => {
  it.each(eventTypes.map((type) => [type.name, type] as const))(
    'RFC 8417 §2.2: %s travels as one event of CAEP or RISC with a payload that its schema takes, or not at all',
    (name, type) => {
      const memory = { familyEntries: [aRevocation()] };
      for (const telling of told({ event: name, data: example(name), memory })) {
        const sent = findEventType(telling.eventType);
        expect(sent?.profile).not.toBe('caep-hub');
        expect(sent && checkEventData(sent, telling.payload)).toEqual([]);
        expect(Object.keys(sent?.data.properties ?? {})).toEqual(
          expect.arrayContaining(Object.keys(telling.payload)),
        );
        if (type.profile === 'caep') expect(telling.eventType).toBe(type.uri);
      }
      const isTold = told({ event: name, data: example(name), memory }).length > 0;
      expect(isTold).toBe(type.downstreamAs !== null);
    },
  );

  it('reactions §2: our events travel as what means the same to others', () => {
    const travelsAs = (event: string, parts: Parts = {}) => told({ event, ...parts })[0];
    expect(travelsAs('owner-departed')?.eventType).toBe(uriOf('account-disabled'));
    expect(travelsAs('key-compromised', { subject: { jkt } })).toMatchObject({
      eventType: uriOf('credential-compromise'),
      subject: key,
    });
    expect(travelsAs('host-vulnerable')?.payload).toMatchObject({
      previous_status: 'compliant',
      current_status: 'not-compliant',
    });
    expect(travelsAs('behavior-anomaly', { confidence: 'high' })?.payload).toMatchObject({
      current_level: 'HIGH',
    });
    expect(travelsAs('sessions-revoked')?.eventType).toBe(uriOf('session-revoked'));
  });

  it('an order is told when it denies, a lift and a reduction are not', () => {
    expect(told({ event: 'revocation-ordered', data: {} })).toHaveLength(1);
    expect(told({ event: 'revocation-ordered', data: { effect: 'restrict' } })).toEqual([]);
    expect(told({ event: 'revocation-lifted', data: { revocation_id: 'rev_1' } })).toEqual([]);
  });

  it('reactions §3: an agent is told by every name that its tokens carry, its descendants as sessions revoked', () => {
    const tellings = told({
      event: 'credential-compromise',
      subject: { agent: 'build-runner' },
      resolution: { agents },
    });
    expect(tellings.map(({ eventType, subject }) => [eventType, subject])).toEqual([
      [uriOf('credential-compromise'), application],
      [uriOf('credential-compromise'), key],
      [
        uriOf('session-revoked'),
        { ...application, application: { ...application.application, sub: 'child' } },
      ],
    ]);
    expect(tellings.map(({ principal }) => principal)).toEqual([
      'agent:build-runner',
      'agent:build-runner',
      'agent:child',
    ]);
    expect(tellings.every(({ denies }) => denies)).toBe(true);
  });

  it('a subject that was said in SSF is repeated as it was said', () => {
    const subject = { format: 'email', email: 'alice@example.com' };
    expect(told({ event: 'account-disabled', subject })[0]).toMatchObject({ subject });
  });

  it('who lifts nothing is not passed on: another source may still deny', () => {
    expect(told({ event: 'account-enabled' })).toEqual([]);
    expect(told({ event: 'account-enabled', memory: { familyEntries: [aRevocation()] } })).toHaveLength(1);
  });

  it('what is held, outdated or not the source’s to say is told to nobody', () => {
    expect(told({ event: 'account-disabled', memory: { killsInLastMinute: 1_000 } })).toEqual([]);
    const newest = { eventType: uriOf('account-disabled'), eventTime: nowSeconds };
    expect(told({ event: 'account-enabled', memory: { newest } })).toEqual([]);
    const source = aSource({ eventTypes: ['session-revoked'] });
    expect(told({ event: 'account-disabled', source })).toEqual([]);
  });

  it('CAEP §2: says when and why, in seconds and by language; what the event says itself comes first', () => {
    expect(told({ reason: 'stolen laptop' })[0]?.payload).toEqual({
      event_timestamp: nowSeconds - 30,
      initiating_entity: 'policy',
      reason_admin: { en: 'stolen laptop' },
    });
    const data = { reason_admin: { de: 'gestohlen' }, initiating_entity: 'user', unknown: 1 };
    expect(told({ data })[0]?.payload).toEqual({
      event_timestamp: nowSeconds - 30,
      ...data,
      unknown: undefined,
    });
  });

  it('opposing events carry their family, so that the newer makes the older unnecessary', () => {
    expect(told({ event: 'account-disabled' })[0]?.family).toMatch(/^account \{/);
    const subject = { format: 'email', email: 'alice@example.com' };
    expect(told({ event: 'account-disabled', subject })[0]?.family).not.toBe(
      told({ event: 'account-disabled' })[0]?.family,
    );
    expect(told()[0]).not.toHaveProperty('family');
  });
});

describe('who is told', () => {
  let made = 0;
  const world = {
    iss: () => 'https://hub.example',
    nowMs: nowSeconds * 1_000 + 999,
    newSetId: () => setId(`set_${(made += 1)}`),
  };
  const anAudience = (id: string, hears: Audience['hears'] = () => true): Audience => ({
    id: streamId(id),
    aud: `aud-${id}`,
    hears,
  });

  it('RFC 8417 §2.2, SSF §4.1: a copy for each stream, with its own jti and aud, one txn and whole seconds', () => {
    const { sets, isCut } = fanOut(
      deciding({ eventTime: nowSeconds - 0.5 }),
      [anAudience('a'), anAudience('b')],
      world,
    );
    expect(isCut).toBe(false);
    expect(sets.map(({ streamId: id, claims }) => [id, claims.aud, claims.txn])).toEqual([
      ['a', 'aud-a', 'txn-1'],
      ['b', 'aud-b', 'txn-1'],
    ]);
    expect(new Set(sets.map(({ claims }) => claims.jti)).size).toBe(2);
    for (const { claims } of sets) {
      expect(claims).toMatchObject({
        iss: world.iss(),
        iat: nowSeconds,
        toe: nowSeconds - 1,
        sub_id: application,
      });
      expect(Object.keys(claims.events)).toEqual([uriOf('session-revoked')]);
      expect(claims).not.toHaveProperty('sub');
      expect(claims).not.toHaveProperty('exp');
    }
  });

  it('SEC-30: what a peer said is not told back to it, and to everybody else', () => {
    const peer = clientId('other-hub');
    const source = aSource({ peer });
    const audiences = [
      { ...anAudience('theirs'), client: peer },
      { ...anAudience('another'), client: clientId('another') },
      anAudience('token'),
    ];
    const streams = (from: Parts) =>
      fanOut(deciding(from), audiences, world).sets.map(({ streamId: id }) => id);
    expect(streams({ source })).toEqual(['another', 'token']);
    expect(streams({})).toEqual(['theirs', 'another', 'token']);
  });

  it('SEC-30: what came by another Transmitter before goes no further', () => {
    const { sets } = fanOut(deciding({ memory: { heardBefore: true } }), [anAudience('a')], world);
    expect(sets).toEqual([]);
  });

  it('only who hears that type about that subject', () => {
    const asked: unknown[] = [];
    const audience = anAudience('a', (...heard) => asked.push(heard) < 0);
    expect(fanOut(deciding(), [audience], world).sets).toEqual([]);
    expect(asked).toEqual([[uriOf('session-revoked'), application]]);
  });

  it('a kill reaches who takes session-revoked, whichever event it came by; who takes that event hears of it by that alone', () => {
    const hearing = (...names: readonly string[]) =>
      anAudience('a', (eventType) => names.map(uriOf).includes(eventType));
    const toldTo = (audience: Audience, parts: Parts) =>
      fanOut(deciding(parts), [audience], world).sets.map(({ claims, eventType }) => [
        eventType,
        claims.sub_id,
      ]);
    const kill = {
      event: 'credential-compromise',
      subject: { agent: 'build-runner' },
      resolution: { agents },
    };
    const ofChild = { ...application, application: { ...application.application, sub: 'child' } };
    expect(toldTo(hearing('session-revoked'), kill)).toEqual([
      [uriOf('session-revoked'), application],
      [uriOf('session-revoked'), key],
      [uriOf('session-revoked'), ofChild],
    ]);
    expect(toldTo(hearing('session-revoked', 'credential-compromise'), kill)).toEqual([
      [uriOf('credential-compromise'), application],
      [uriOf('credential-compromise'), key],
      [uriOf('session-revoked'), ofChild],
    ]);
    const [set] = fanOut(deciding(kill), [hearing('session-revoked')], world).sets;
    expect(Object.keys(set?.claims.events ?? {})).toEqual([uriOf('session-revoked')]);
    expect(set).toMatchObject({ denies: true, principal: 'agent:build-runner' });
  });

  it.each([
    ['account-disabled', {}, true],
    ['credential-change', { credential_type: 'app', change_type: 'revoke' }, true],
    ['risk-level-change', { principal: 'USER', current_level: 'HIGH' }, true],
    ['credential-change', { credential_type: 'app', change_type: 'create' }, false],
    ['risk-level-change', { principal: 'USER', current_level: 'MEDIUM' }, false],
    ['token-claims-change', { claims: { role: 'reader' } }, false],
    ['account-credential-change-required', {}, false],
  ])('%s %j is a kill, which ends sessions: %s', (event, data, isKill) => {
    const audience = anAudience('a', (eventType) => eventType === uriOf('session-revoked'));
    expect(fanOut(deciding({ event, data }), [audience], world).sets).toHaveLength(isKill ? 1 : 0);
  });

  it('a future event happened no later than it is told', () => {
    const { sets } = fanOut(deciding({ eventTime: nowSeconds + 900 }), [anAudience('a')], world);
    expect(sets[0]?.claims.toe).toBe(nowSeconds);
  });

  it('the event itself reaches everybody before what follows from it, and the rest is cut at a named limit', () => {
    const audiences = Array.from({ length: setsPerSignalMax - 1 }, (_, n) => anAudience(`s${n}`));
    const subject = { agent: 'build-runner' };
    const kill = deciding({ event: 'credential-compromise', subject, resolution: { agents } });
    const { sets, isCut } = fanOut(kill, audiences, world);
    expect(isCut).toBe(true);
    expect(sets).toHaveLength(setsPerSignalMax);
    expect(sets.slice(0, -1).every(({ claims }) => claims.sub_id['application'] !== undefined)).toBe(true);
  });
});

import { describe, expect, it } from 'vitest';
import { secondsMax } from '../../src/core/events/event-type.ts';
import {
  checkEventData,
  eventTypes,
  findEventType,
  nearestEventTypes,
  withDefaults,
} from '../../src/core/events/event-types.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';

const typeOf = (name: string) => {
  const type = findEventType(name);
  if (type === undefined) throw new Error(`no event ${name}`);
  return type;
};
const errorsOf = (name: string, data: JsonObject) =>
  checkEventData(typeOf(name), withDefaults(typeOf(name), data));
const pathsOf = (name: string, data: JsonObject) => errorsOf(name, data).map(({ path }) => path);

const specifications = {
  caep: { base: 'https://schemas.openid.net/secevent/caep/event-type/', count: 8 },
  risc: { base: 'https://schemas.openid.net/secevent/risc/event-type/', count: 14 },
  scim: { base: 'urn:ietf:params:scim:event:', count: 12 },
  'caep-hub': { base: 'urn:caep-hub:event:', count: 9 },
} as const;

describe('the table of events', () => {
  it.each(Object.entries(specifications))('has every event of %s', (profile, { base, count }) => {
    const own = eventTypes.filter((type) => type.profile === profile);
    expect(own).toHaveLength(count);
    const nameOf = (uri: string) =>
      (profile === 'scim' ? 'scim-' : '') + uri.slice(base.length).replaceAll(':', '-');
    expect(own.every(({ uri }) => uri.startsWith(base))).toBe(true);
    expect(own.map(({ name }) => name)).toEqual(own.map(({ uri }) => nameOf(uri)));
  });

  it('short names and URIs are unique, and find their row', () => {
    const keys = eventTypes.flatMap(({ name, uri }) => [name, uri]);
    expect(new Set(keys).size).toBe(keys.length);
    for (const type of eventTypes)
      expect([findEventType(type.name), findEventType(type.uri)]).toEqual([type, type]);
    expect(findEventType('toString')).toBeUndefined();
  });

  it.each(eventTypes.map((type) => [type.name, type] as const))(
    '%s: its example and its common members fit',
    (_, type) => {
      expect(checkEventData(type, type.example)).toEqual([]);
      const common = {
        event_timestamp: 1615304991.5,
        initiating_entity: 'policy',
        reason_admin: { en: 'Landspeed Policy Violation: C076E82F', 'es-410': 'Violación' },
        reason_user: { de: 'Zugriff aus mehreren Regionen.' },
      };
      expect(checkEventData(type, { ...type.example, ...common })).toEqual([]);
    },
  );

  it.each(eventTypes.map((type) => [type.name, type] as const))(
    '%s: wrong common members are named',
    (_, type) => {
      const wrong = {
        event_timestamp: '1615304991',
        initiating_entity: 'robot',
        reason_admin: 'because',
        reason_user: {},
      };
      const paths = checkEventData(type, { ...type.example, ...wrong }).map(({ path }) => path);
      expect(paths.toSorted()).toEqual([
        '/event_timestamp',
        '/initiating_entity',
        '/reason_admin',
        '/reason_user',
      ]);
    },
  );

  it.each(eventTypes.map((type) => [type.name, type] as const))(
    '%s: milliseconds are refused by their name',
    (_, type) => {
      const errors = checkEventData(type, { ...type.example, event_timestamp: secondsMax + 1 });
      expect(errors).toEqual([{ path: '/event_timestamp', message: 'must be seconds, not milliseconds' }]);
    },
  );

  it('SSF §4.2.3: members that nobody described pass, but not in our own orders', () => {
    for (const type of eventTypes) {
      const paths = checkEventData(type, { ...type.example, x_vendor: 1 }).map(({ path }) => path);
      expect(paths).toEqual(type.name.startsWith('revocation-') ? ['/x_vendor'] : []);
    }
  });

  it('downstream types are known events', () => {
    const named = eventTypes.flatMap(({ downstreamAs }) => downstreamAs ?? []);
    expect(named).not.toEqual([]);
    expect(named.filter((name) => findEventType(name) === undefined)).toEqual([]);
  });
});

describe('closed sets are closed, open sets are open', () => {
  const credential = { credential_type: 'password', change_type: 'create' };
  const level = { namespace: 'NIST-AAL', current_level: 'aal1' };
  const risk = { current_level: 'HIGH' };
  const ordered = 'revocation-ordered';

  it.each<readonly [string, JsonObject, readonly string[]]>([
    ['credential-change', { ...credential, credential_type: 'passkey-of-ours' }, []],
    ['credential-change', { ...credential, change_type: 'rotate' }, ['/change_type']],
    ['credential-change', {}, ['/credential_type', '/change_type']],
    ['assurance-level-change', { ...level, namespace: 'Retinal Scan' }, []],
    ['assurance-level-change', { ...level, change_direction: 'down' }, ['/change_direction']],
    [
      'device-compliance-change',
      { previous_status: 'compliant', current_status: 'not_compliant' },
      ['/current_status'],
    ],
    ['risk-level-change', { ...risk, principal: 'AGENT' }, []],
    ['risk-level-change', { current_level: 'high' }, ['/current_level']],
    ['risk-level-change', { ...risk, previous_level: 'NONE' }, ['/previous_level']],
    ['account-disabled', { reason: 'fraud' }, ['/reason']],
    ['session-established', { amr: 'otp' }, ['/amr']],
    ['token-claims-change', { claims: {} }, ['/claims']],
    ['token-claims-change', { claims: ['role'] }, ['/claims']],
    ['token-claims-change', {}, ['/claims']],
    ['token-claims-change', { claims: { role: null, groups: [] } }, []],
    ['session-revoked', { reason_admin: { 'not a tag': 'x' } }, ['/reason_admin/not a tag']],
    ['behavior-anomaly', { confidence: 'certain' }, ['/confidence']],
    [ordered, {}, []],
    [ordered, { effect: 'allow' }, ['/effect']],
    [ordered, { cut_off: 'soon' }, ['/cut_off']],
    [ordered, { cut_off: secondsMax * 2 }, ['/cut_off']],
    [ordered, { reach: 'everywhere' }, ['/reach']],
    [ordered, { step_up: { after: 1 } }, ['/step_up']],
    [ordered, { effect: 'restrict', restrict: {} }, ['/restrict']],
    [ordered, { restrict: { read_only: true } }, ['/restrict']],
    [ordered, { cut_off: 'now', lift_after_seconds: 5 }, ['/lift_after_seconds']],
    [ordered, { lift_after_seconds: 0.5 }, ['/lift_after_seconds']],
    ['revocation-lifted', {}, ['']],
    ['revocation-lifted', { revocation_id: 'rev_1', signal_id: 'sig_1' }, ['']],
    ['revocation-lifted', { signal_id: 'sig_1', restore_tokens: true }, []],
  ])('%s %o → %o', (name, data, paths) => {
    expect(pathsOf(name, data)).toEqual(paths);
  });

  it('an enumeration is refused with its values', () => {
    expect(errorsOf('risk-level-change', { current_level: 'NONE' })[0]?.message).toBe(
      'must be one of LOW, MEDIUM, HIGH',
    );
  });

  it('people may leave out what has a sane default; a SET may not', () => {
    expect(errorsOf('credential-compromise', {})).toEqual([]);
    expect(checkEventData(typeOf('credential-compromise'), {})).toEqual([
      { path: '/credential_type', message: 'is missing' },
    ]);
  });
});

describe('an unknown event is answered with the three nearest', () => {
  it.each([
    ['credental-compromised', 'credential-compromise'],
    ['SESSION_REVOKED', 'session-revoked'],
    ['https://schemas.openid.net/secevent/caep/event-type/sesion-revoked', 'session-revoked'],
    ['urn:caep-hub:event:owner-left', 'owner-departed'],
  ])('%s → %s', (written, nearest) => {
    expect(nearestEventTypes(written)[0]).toBe(nearest);
    expect(nearestEventTypes(written)).toHaveLength(3);
  });

  it('however long or empty it is', () => {
    expect(nearestEventTypes('x'.repeat(1_000_000))).toHaveLength(3);
    expect(nearestEventTypes(`${'x'.repeat(1_000_000)}/`)).toHaveLength(3);
    expect(nearestEventTypes('')).toHaveLength(3);
  });
});

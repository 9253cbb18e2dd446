import { describe, expect, it } from 'vitest';
import { decide } from '../../../src/core/decide.ts';
import { checkEventData, findEventType } from '../../../src/core/events/event-types.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import { aMemory, aResolution, aStatement, aWorld } from '../../core/builders.ts';

type Example = {
  readonly section: string;
  readonly event: string;
  readonly sub_id: JsonObject;
  readonly data: JsonObject;
  /** `uncut`: whenever issued. */
  readonly follows: {
    readonly outcome: string;
    readonly rule: string;
    readonly match?: JsonObject;
    readonly uncut?: true;
  };
};

const idp = 'https://idp.example.com/123456789/';
const jane = { format: 'iss_sub', iss: 'https://idp.example.com/3456789/', sub: 'jane.smith@example.com' };
const tenant = { format: 'opaque', id: '123456789' };
const device = { format: 'iss_sub', iss: idp, sub: 'e9297990-14d2-42ec-a4a9-4036db86509a' };
const at = { event_timestamp: 1615304991 };
const token = {
  format: 'jwt_id',
  iss: 'https://idp.example.com/987654321/',
  jti: 'f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7',
};

/** Subjects and events of the specification's own SETs, verbatim; what they come to with registries that know nobody. */
const examples: readonly Example[] = [
  {
    section: '§3.1.2, simple subject',
    event: 'session-revoked',
    sub_id: { format: 'opaque', id: 'dMTlD|1600802906337.16|16008.16' },
    data: at,
    follows: { outcome: 'unresolved', rule: 'session-revoked' },
  },
  {
    section: '§3.1.2, session, user and tenant',
    event: 'session-revoked',
    sub_id: {
      format: 'complex',
      session: { format: 'opaque', id: 'dMTlD|1600802906337.16|16008.16' },
      user: { format: 'iss_sub', iss: idp, sub: '99beb27c-c1c2-4955-882a-e0dc4996fcbc' },
      tenant,
    },
    data: {
      initiating_entity: 'policy',
      reason_admin: { en: 'Landspeed Policy Violation: C076E82F' },
      reason_user: {
        en: 'Access attempt from multiple regions.',
        'es-410': 'Intento de acceso desde varias regiones.',
      },
      ...at,
    },
    follows: {
      outcome: 'applied',
      rule: 'session-revoked',
      uncut: true,
      match: {
        iss: idp,
        sub: '99beb27c-c1c2-4955-882a-e0dc4996fcbc',
        sid: 'dMTlD|1600802906337.16|16008.16',
      },
    },
  },
  {
    section: '§3.1.2, user, device and tenant',
    event: 'session-revoked',
    sub_id: {
      format: 'complex',
      user: { format: 'iss_sub', iss: idp, sub: 'jane.smith@example.com' },
      device,
      tenant,
    },
    data: { initiating_entity: 'policy', reason_admin: { en: 'Policy Violation: C076E822' }, ...at },
    follows: {
      outcome: 'applied',
      rule: 'session-revoked',
      match: { iss: idp, sub: 'jane.smith@example.com' },
    },
  },
  {
    section: '§3.2.2, ID token',
    event: 'token-claims-change',
    sub_id: token,
    data: { ...at, claims: { role: 'ro-admin' } },
    follows: {
      outcome: 'applied',
      rule: 'token-claims-change',
      uncut: true,
      match: { iss: 'https://idp.example.com/987654321/', jti: 'f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7' },
    },
  },
  {
    section: '§3.2.2, SAML assertion',
    event: 'token-claims-change',
    sub_id: {
      format: 'saml_assertion_id',
      issuer: 'https://idp.example.com/987654321/',
      assertion_id: '_a75adf55-01d7-dbd8372ebdfc',
    },
    data: { ...at, claims: { 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/role': 'ro-admin' } },
    follows: { outcome: 'unresolved', rule: 'token-claims-change' },
  },
  {
    section: '§3.3.2',
    event: 'credential-change',
    sub_id: jane,
    data: {
      credential_type: 'fido2-roaming',
      change_type: 'create',
      fido2_aaguid: 'accced6a-63f5-490a-9eea-e59bc1896cfc',
      friendly_name: "Jane's USB authenticator",
      initiating_entity: 'user',
      reason_admin: { en: 'User self-enrollment' },
      ...at,
    },
    follows: { outcome: 'recorded', rule: 'credential-change/new' },
  },
  {
    section: '§3.4.2, increase',
    event: 'assurance-level-change',
    sub_id: jane,
    data: {
      namespace: 'NIST-AAL',
      current_level: 'nist-aal2',
      previous_level: 'nist-aal1',
      change_direction: 'increase',
      initiating_entity: 'user',
      ...at,
    },
    follows: { outcome: 'recorded', rule: 'assurance-level-change/increase' },
  },
  {
    section: '§3.4.2, custom namespace',
    event: 'assurance-level-change',
    sub_id: jane,
    data: { namespace: 'Retinal Scan', current_level: 'hi-res-scan', initiating_entity: 'user', ...at },
    follows: { outcome: 'recorded', rule: 'assurance-level-change/unknown' },
  },
  {
    section: '§3.5.2',
    event: 'device-compliance-change',
    sub_id: { format: 'complex', device, tenant },
    data: {
      current_status: 'not-compliant',
      previous_status: 'compliant',
      initiating_entity: 'policy',
      reason_admin: { en: 'Location Policy Violation: C076E8A3' },
      reason_user: { en: 'Device is no longer in a trusted location.' },
      ...at,
    },
    follows: { outcome: 'unresolved', rule: 'device-compliance-change/not-compliant' },
  },
  {
    section: '§3.6.2',
    event: 'session-established',
    sub_id: { format: 'email', email: 'someuser@somedomain.com' },
    data: { fp_ua: 'abb0b6e7da81a42233f8f2b1a8ddb1b9a4c81611', acr: 'AAL2', amr: ['otp'], ...at },
    follows: { outcome: 'recorded', rule: 'session-established' },
  },
  {
    section: '§3.7.2',
    event: 'session-presented',
    sub_id: { format: 'email', email: 'someuser@somedomain.com' },
    data: { fp_ua: 'abb0b6e7da81a42233f8f2b1a8ddb1b9a4c81611', ext_id: '12345', ...at },
    follows: { outcome: 'recorded', rule: 'session-presented' },
  },
  {
    section: '§3.8.2',
    event: 'risk-level-change',
    sub_id: { format: 'iss_sub', iss: 'https://idp.example.com/3456789/', sub: 'jane.doe@example.com' },
    data: {
      current_level: 'LOW',
      previous_level: 'HIGH',
      ...at,
      principal: 'USER',
      risk_reason: 'PASSWORD_FOUND_IN_DATA_BREACH',
    },
    follows: { outcome: 'recorded', rule: 'risk-level-change/low' },
  },
];

describe('CAEP 1.0 §3: the examples of the specification', () => {
  it.each(examples)('$section $event', ({ event, sub_id, data, follows }) => {
    const type = findEventType(`https://schemas.openid.net/secevent/caep/event-type/${event}`);
    expect(type && checkEventData(type, data)).toEqual([]);
    const statement = aStatement({ event, subject: sub_id, data, eventTime: 1615304991 });
    const received = aWorld({ nowMs: 1615305159_000 });
    const { outcome, rule, puts } = decide(statement, aResolution(statement), aMemory(), received);
    expect({ outcome, rule }).toEqual({ outcome: follows.outcome, rule: follows.rule });
    expect(puts.map(({ match }) => match)).toEqual(follows.match ? [follows.match] : []);
    // Nobody configured the issuer: the default skew of five seconds.
    const expected = follows.match && !follows.uncut ? 1615304991 + 5 : undefined;
    expect(puts[0]?.cutOff).toBe(expected);
  });
});

import { Type } from 'typebox';
import { commonMembers, type EventType, openObject, ShortText } from './event-type.ts';

const claimsMax = 100;
const methodsMax = 20;

/** An open set: "or any other credential type supported mutually" (CAEP 1.0 §3.3.1). */
export const CredentialType = Type.String({
  minLength: 1,
  maxLength: 64,
  description:
    'password, pin, x509, fido2-platform, fido2-roaming, fido-u2f, verifiable-credential, phone-voice, phone-sms, app, or another that both sides know.',
});
const Compliance = Type.Enum(['compliant', 'not-compliant']);
const RiskLevel = Type.Enum(['LOW', 'MEDIUM', 'HIGH']);

const caep = (name: string, row: Omit<EventType, 'profile' | 'name' | 'uri'>): EventType => ({
  profile: 'caep',
  name,
  uri: `https://schemas.openid.net/secevent/caep/event-type/${name}`,
  ...row,
});

/** @see CAEP 1.0 §3 */
export const caepEventTypes: readonly EventType[] = [
  caep('session-revoked', {
    section: 'CAEP 1.0 §3.1',
    description: 'The sessions that the subject names have ended.',
    data: openObject(commonMembers),
    defaults: {},
    example: {
      event_timestamp: 1615304991,
      initiating_entity: 'policy',
      reason_admin: { en: 'Policy C076E82F' },
    },
  }),
  caep('token-claims-change', {
    section: 'CAEP 1.0 §3.2',
    description: 'Claims of a token have changed; `claims` holds their new values.',
    data: openObject({
      claims: Type.Object({}, { minProperties: 1, maxProperties: claimsMax, additionalProperties: true }),
      ...commonMembers,
    }),
    defaults: {},
    example: { event_timestamp: 1615304991, claims: { role: 'ro-admin' } },
  }),
  caep('credential-change', {
    section: 'CAEP 1.0 §3.3',
    description: 'A credential was created, changed, revoked or deleted.',
    data: openObject({
      credential_type: CredentialType,
      change_type: Type.Enum(['create', 'revoke', 'update', 'delete']),
      friendly_name: Type.Optional(ShortText),
      x509_issuer: Type.Optional(ShortText),
      x509_serial: Type.Optional(ShortText),
      fido2_aaguid: Type.Optional(ShortText),
      ...commonMembers,
    }),
    defaults: {},
    example: { credential_type: 'fido2-roaming', change_type: 'create', event_timestamp: 1615304991 },
  }),
  caep('assurance-level-change', {
    section: 'CAEP 1.0 §3.4',
    description: 'The subject is authenticated more, or less, strongly than before.',
    data: openObject({
      namespace: ShortText,
      current_level: ShortText,
      previous_level: Type.Optional(ShortText),
      change_direction: Type.Optional(Type.Enum(['increase', 'decrease'])),
      ...commonMembers,
    }),
    defaults: {},
    example: {
      namespace: 'NIST-AAL',
      current_level: 'nist-aal1',
      previous_level: 'nist-aal2',
      change_direction: 'decrease',
    },
  }),
  caep('device-compliance-change', {
    section: 'CAEP 1.0 §3.5',
    description: 'A device began, or ceased, to comply with its policy.',
    data: openObject({ previous_status: Compliance, current_status: Compliance, ...commonMembers }),
    defaults: {},
    example: { previous_status: 'compliant', current_status: 'not-compliant', event_timestamp: 1615304991 },
  }),
  caep('session-established', {
    section: 'CAEP 1.0 §3.6',
    description: 'The subject has a new session.',
    data: openObject({
      fp_ua: Type.Optional(ShortText),
      acr: Type.Optional(ShortText),
      amr: Type.Optional(Type.Array(ShortText, { maxItems: methodsMax })),
      ext_id: Type.Optional(ShortText),
      ...commonMembers,
    }),
    defaults: {},
    example: { acr: 'AAL2', amr: ['otp'], event_timestamp: 1615304991 },
  }),
  caep('session-presented', {
    section: 'CAEP 1.0 §3.7',
    description: "The subject's session was seen in use.",
    data: openObject({
      fp_ua: Type.Optional(ShortText),
      ext_id: Type.Optional(ShortText),
      ...commonMembers,
    }),
    defaults: {},
    example: { ext_id: '12345', event_timestamp: 1615304991 },
  }),
  caep('risk-level-change', {
    section: 'CAEP 1.0 §3.8',
    description: 'The risk that the subject poses was judged anew.',
    data: openObject({
      principal: ShortText,
      current_level: RiskLevel,
      previous_level: Type.Optional(RiskLevel),
      risk_reason: Type.Optional(ShortText),
      ...commonMembers,
    }),
    defaults: { principal: 'USER' },
    example: { principal: 'USER', current_level: 'HIGH', risk_reason: 'PASSWORD_FOUND_IN_DATA_BREACH' },
  }),
];

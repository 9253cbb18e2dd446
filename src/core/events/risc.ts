import { Type } from 'typebox';
import { CredentialType } from './caep.ts';
import { commonMembers, type EventType, openObject, ShortText } from './event-type.ts';

const risc = (
  name: string,
  row: Pick<EventType, 'section' | 'description'> &
    Partial<Pick<EventType, 'data' | 'defaults' | 'example' | 'downstreamAs'>>,
): EventType => ({
  profile: 'risc',
  name,
  uri: `https://schemas.openid.net/secevent/risc/event-type/${name}`,
  // The interoperability profile and senders in the field add CAEP's common members to RISC events.
  data: openObject(commonMembers),
  defaults: {},
  example: {},
  ...row,
});

/** @see RISC 1.0 §2 */
export const riscEventTypes: readonly EventType[] = [
  risc('account-credential-change-required', {
    section: 'RISC 1.0 §2.1',
    description: 'The account was required to change a credential.',
  }),
  risc('account-purged', { section: 'RISC 1.0 §2.2', description: 'The account was deleted for good.' }),
  risc('account-disabled', {
    section: 'RISC 1.0 §2.3',
    description: 'The account was disabled; it may be enabled again.',
    data: openObject({ reason: Type.Optional(Type.Enum(['hijacking', 'bulk-account'])), ...commonMembers }),
    example: { reason: 'hijacking' },
  }),
  risc('account-enabled', { section: 'RISC 1.0 §2.4', description: 'The account was enabled again.' }),
  risc('identifier-changed', {
    section: 'RISC 1.0 §2.5',
    description: 'The e-mail address or phone number that the subject names has a new value.',
    data: openObject({ 'new-value': Type.Optional(ShortText), ...commonMembers }),
    example: { 'new-value': 'john.roe@example.com' },
  }),
  risc('identifier-recycled', {
    section: 'RISC 1.0 §2.6',
    description: 'The e-mail address or phone number now belongs to somebody else.',
  }),
  risc('credential-compromise', {
    section: 'RISC 1.0 §2.7',
    description: 'A credential of the subject was found compromised.',
    data: openObject({ credential_type: CredentialType, ...commonMembers }),
    defaults: { credential_type: 'app' },
    example: { credential_type: 'x509', event_timestamp: 1615304991 },
  }),
  risc('opt-in', { section: 'RISC 1.0 §2.8.1', description: 'The account takes part in RISC.' }),
  risc('opt-out-initiated', { section: 'RISC 1.0 §2.8.2', description: 'The account asked to leave RISC.' }),
  risc('opt-out-cancelled', {
    section: 'RISC 1.0 §2.8.3',
    description: 'The account stays in RISC after all.',
  }),
  risc('opt-out-effective', { section: 'RISC 1.0 §2.8.4', description: 'The account has left RISC.' }),
  risc('recovery-activated', { section: 'RISC 1.0 §2.9', description: 'A recovery flow was started.' }),
  risc('recovery-information-changed', {
    section: 'RISC 1.0 §2.10',
    description: 'Recovery data of the account has changed.',
  }),
  risc('sessions-revoked', {
    section: 'RISC 1.0 §2.11',
    description: 'All sessions of the account have ended; superseded by session-revoked of CAEP.',
    downstreamAs: 'session-revoked',
  }),
];

import { Type } from 'typebox';
import type { FieldError } from '../problem.ts';
import type { JsonObject } from '../vocabulary.ts';
import { commonMembers, type EventType, openObject, ShortText } from './event-type.ts';

const attributesMax = 200;

const Version = Type.Optional(ShortText);
const Open = Type.Object({}, { additionalProperties: true });
/** Paths of attributes (RFC 7644 §3.5.2). */
const Attributes = Type.Array(ShortText, { maxItems: attributesMax });

type Row = Pick<EventType, 'section' | 'description'> &
  Partial<Pick<EventType, 'data' | 'agree' | 'example' | 'downstreamAs'>>;

/** The short name is the end of the URI. Drafts of the specification wrote `SCIM` in it, and senders in the field still do. */
const scim = (end: string, row: Row): EventType => ({
  profile: 'scim',
  name: `scim-${end.replaceAll(':', '-')}`,
  uri: `urn:ietf:params:scim:event:${end}`,
  formerUri: `urn:ietf:params:SCIM:event:${end}`,
  // Senders put the common members of CAEP beside the payload, as they do in RISC.
  data: openObject({ version: Version, ...commonMembers }),
  defaults: {},
  example: {},
  downstreamAs: null,
  ...row,
});

/** Exactly one of the two, by the end of the URI. @see RFC 9967 §2.4 */
const only =
  (wanted: 'data' | 'attributes', other: 'data' | 'attributes') =>
  (data: JsonObject): readonly FieldError[] =>
    data[other] === undefined
      ? []
      : [{ path: `/${other}`, message: `cannot stand in this event, which has \`${wanted}\`` }];

/** A change of a resource, with what it is now and with the names of what has changed. */
const change = (end: string, section: string, description: string): readonly EventType[] => [
  scim(`prov:${end}:full`, {
    section,
    description: `${description} With what it is now.`,
    data: openObject({ data: Open, version: Version, ...commonMembers }),
    agree: only('data', 'attributes'),
    example: { data: { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'jdoe' } },
  }),
  scim(`prov:${end}:notice`, {
    section,
    description: `${description} With the names of what has changed.`,
    data: openObject({ attributes: Attributes, version: Version, ...commonMembers }),
    agree: only('attributes', 'data'),
    example: { attributes: ['userName', 'emails'] },
  }),
];

/**
 * What a SCIM service provider tells about its resources. Accounts that end and come back mean what they mean in RISC; the rest is
 * kept and means nothing.
 *
 * @see RFC 9967 §2
 */
export const scimEventTypes: readonly EventType[] = [
  scim('feed:add', {
    section: 'RFC 9967 §2.3.1',
    description: 'The resource was added to the feed; it may have been there before.',
  }),
  scim('feed:remove', {
    section: 'RFC 9967 §2.3.2',
    description: 'The resource left the feed; it is neither deleted nor deactivated.',
  }),
  ...change('create', 'RFC 9967 §2.4.1', 'A resource was created.'),
  ...change('patch', 'RFC 9967 §2.4.2', 'A resource was changed by PATCH.'),
  ...change('put', 'RFC 9967 §2.4.3', 'A resource was changed by PUT.'),
  scim('prov:delete', {
    section: 'RFC 9967 §2.4.4',
    description: 'The resource was deleted for good.',
    downstreamAs: 'account-purged',
  }),
  scim('prov:activate', {
    section: 'RFC 9967 §2.4.5',
    description: 'The account is ready for use.',
    downstreamAs: 'account-enabled',
  }),
  scim('prov:deactivate', {
    section: 'RFC 9967 §2.4.6',
    description: 'The account was disabled; it may be activated again.',
    downstreamAs: 'account-disabled',
  }),
  scim('misc:asyncresp', {
    section: 'RFC 9967 §2.5.1.3',
    description: 'A request that was made asynchronously has been carried out.',
    data: openObject({
      method: Type.Optional(Type.Enum(['POST', 'PUT', 'PATCH', 'DELETE'])),
      status: Type.Optional(ShortText),
      version: Version,
      ...commonMembers,
    }),
    example: { method: 'PUT', version: 'W/"huJj29dMNgu3WXPD"', status: '200' },
  }),
];

import { Type, type TObject, type TSchema } from 'typebox';
import type { FieldError } from '../problem.ts';
import type { JsonObject } from '../vocabulary.ts';

/** Whose event it is: the URI's prefix and the rules for unknown members follow from it. */
export const eventProfiles = ['caep', 'risc', 'scim', 'caep-hub'] as const;
export type EventProfile = (typeof eventProfiles)[number];

/** One kind of event that may be told. */
export type EventType = {
  readonly profile: EventProfile;
  /** Short name, unique over all profiles. */
  readonly name: string;
  readonly uri: string;
  /** What drafts called it, and senders still do: read as `uri`, never sent. */
  readonly formerUri?: string;
  readonly section: string;
  readonly description: string;
  /** The event's own members. Members that it does not name are kept and mean nothing (SSF 1.0 §4.2.3). */
  readonly data: TObject;
  /** What a schema cannot say: members that belong, or do not belong, together. Asked only of data that fits the schema. */
  readonly agree?: (data: JsonObject) => readonly FieldError[];
  /** Filled in at our own doors, where people write by hand; never into a SET. */
  readonly defaults: JsonObject;
  readonly example: JsonObject;
  /** Travels to downstream receivers as this event; absent: as itself, or for `null` not at all. */
  readonly downstreamAs?: string | null;
};

/** Largest number that is taken for seconds: the year 5138. What is larger was meant as milliseconds. */
export const secondsMax = 100_000_000_000;
const reasonTextMax = 1_000;
const shortTextMax = 256;
const languagesMax = 32;

/** CAEP 1.0 §2: seconds since the epoch, whole or fractional. */
export const Seconds = Type.Number({
  minimum: 0,
  maximum: secondsMax,
  description: 'Seconds since 1970-01-01T00:00:00Z, not milliseconds.',
});

export const ShortText = Type.String({ minLength: 1, maxLength: shortTextMax });

/** CAEP 1.0 §2: messages by BCP 47 language tag, at least one. */
const LanguageMap = Type.Record(
  Type.String({ pattern: '^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$' }),
  Type.String({ minLength: 1, maxLength: reasonTextMax }),
  { minProperties: 1, maxProperties: languagesMax, additionalProperties: false },
);

/** CAEP 1.0 §2, optional in every CAEP event. */
export const commonMembers = {
  event_timestamp: Type.Optional(Seconds),
  initiating_entity: Type.Optional(Type.Enum(['admin', 'user', 'policy', 'system'])),
  reason_admin: Type.Optional(LanguageMap),
  reason_user: Type.Optional(LanguageMap),
};

/** An object that keeps members nobody described. */
export const openObject = (members: { readonly [name: string]: TSchema }): TObject =>
  Type.Object({ ...members }, { additionalProperties: true });

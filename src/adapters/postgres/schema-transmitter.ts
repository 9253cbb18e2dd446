import { boolean, integer, jsonb, primaryKey, text } from 'drizzle-orm/pg-core';
import type { SetClaims } from '../../core/set-claims.ts';
import type {
  DefaultSubjects,
  DeliveryMethod,
  SigningAlgorithm,
  StreamProfile,
  StreamStatus,
} from '../../core/stream.ts';
import type { Listing } from '../../core/subject-matching.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import { bytes, count, hub } from './schema-columns.ts';

/** The Drizzle mirror of `migrations/0002_transmitter.sql`, with what `0005`, `0006`, `0008` and `0010` add. */
export const streamChanges = hub.table('stream_changes', {
  singleton: boolean('singleton').primaryKey().default(true),
  version: count('version').notNull(),
});

export const streams = hub.table('streams', {
  id: text('id').primaryKey(),
  receiver: text('receiver').notNull(),
  aud: text('aud').notNull(),
  profile: text('profile').$type<StreamProfile>(),
  eventsRequested: text('events_requested').array(),
  eventsDelivered: text('events_delivered').array().notNull(),
  method: text('method').$type<DeliveryMethod>().notNull(),
  endpointUrl: text('endpoint_url'),
  authorizationSealed: bytes('authorization_sealed'),
  description: text('description'),
  status: text('status').$type<StreamStatus>().notNull(),
  statusReason: text('status_reason'),
  algorithm: text('algorithm').$type<SigningAlgorithm>().notNull(),
  defaultSubjects: text('default_subjects').$type<DefaultSubjects>().notNull(),
  minVerificationInterval: integer('min_verification_interval').notNull(),
  inactivityTimeout: integer('inactivity_timeout'),
  lastActivityAtMs: count('last_activity_at_ms').notNull(),
  lastVerificationAtMs: count('last_verification_at_ms'),
  blockedUntilMs: count('blocked_until_ms').notNull().default(0),
  failuresInRow: integer('failures_in_row').notNull().default(0),
  tryingSinceMs: count('trying_since_ms').notNull().default(0),
  triedAtMs: count('tried_at_ms').notNull().default(0),
  subjects: integer('subjects').notNull().default(0),
  subjectsVersion: count('subjects_version').notNull().default(0),
  subjectBytes: count('subject_bytes').notNull().default(0),
  createdAtMs: count('created_at_ms').notNull(),
  updatedAtMs: count('updated_at_ms').notNull(),
});

/** Of which something is left. */
export const deletedStreams = hub.table('deleted_streams', { id: text('id').primaryKey() });

export const streamSubjects = hub.table(
  'stream_subjects',
  {
    streamId: text('stream_id').notNull(),
    subjectKey: text('subject_key').notNull(),
    subject: jsonb('subject').$type<JsonObject>().notNull(),
    listed: text('listed').$type<Listing>().notNull(),
    verified: boolean('verified').notNull(),
    shape: text('shape'),
    changedAtMs: count('changed_at_ms').notNull(),
    changedVersion: count('changed_version').notNull(),
  },
  (table) => [primaryKey({ columns: [table.streamId, table.subjectKey] })],
);

export const deliveries = hub.table('deliveries', {
  seq: count('seq').generatedAlwaysAsIdentity().primaryKey(),
  jti: text('jti').notNull(),
  streamId: text('stream_id').notNull(),
  principal: text('principal').notNull(),
  denies: boolean('denies').notNull(),
  control: boolean('control').notNull(),
  family: text('family'),
  eventType: text('event_type').notNull(),
  signalId: text('signal_id'),
  claims: jsonb('claims').$type<SetClaims>().notNull(),
  kid: text('kid'),
  compact: text('compact'),
  state: text('state').$type<'pending' | 'delivered' | 'dead' | 'cancelled'>().notNull().default('pending'),
  attempts: integer('attempts').notNull().default(0),
  dueAtMs: count('due_at_ms').notNull(),
  claimedUntilMs: count('claimed_until_ms').notNull().default(0),
  fence: count('fence').notNull().default(0),
  lastAnswer: jsonb('last_answer').$type<JsonObject>(),
  createdAtMs: count('created_at_ms').notNull(),
  firstSentAtMs: count('first_sent_at_ms'),
  settledAtMs: count('settled_at_ms'),
});

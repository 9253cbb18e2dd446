import { boolean, jsonb, primaryKey, text } from 'drizzle-orm/pg-core';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { Binding, UpstreamFailure, UpstreamSettings } from '../../receiver/ports.ts';
import type { RecordedOutcome } from '../../receiver/set-ports.ts';
import { bytes, count, hub } from './schema-columns.ts';

/** The Drizzle mirror of `migrations/0012_upstreams.sql`. */
export const upstreams = hub.table('upstreams', {
  name: text('name').primaryKey(),
  id: text('id').notNull(),
  settings: jsonb('settings').$type<UpstreamSettings>().notNull(),
  secretsSealed: bytes('secrets_sealed').notNull(),
  pushAuthorizationSha256: bytes('push_authorization_sha256').notNull(),
  paused: boolean('paused').notNull().default(false),
  binding: jsonb('binding').$type<Binding>(),
  streamStatus: text('stream_status'),
  streamStatusReason: text('stream_status_reason'),
  verificationState: text('verification_state'),
  verificationRequestedAtMs: count('verification_requested_at_ms'),
  verifiedAtMs: count('verified_at_ms'),
  lastSetAtMs: count('last_set_at_ms'),
  failure: jsonb('failure').$type<UpstreamFailure>(),
  dueAtMs: count('due_at_ms').notNull(),
  turnUntilMs: count('turn_until_ms').notNull().default(0),
  polledBy: text('polled_by'),
  polledUntilMs: count('polled_until_ms').notNull().default(0),
  createdAtMs: count('created_at_ms').notNull(),
});

export const receivedSets = hub.table(
  'received_sets',
  {
    upstream: text('upstream').notNull(),
    jti: text('jti').notNull(),
    receivedAtMs: count('received_at_ms').notNull(),
    eventType: text('event_type').notNull(),
    subject: jsonb('subject').$type<JsonObject>().notNull(),
    outcome: text('outcome').$type<RecordedOutcome>().notNull(),
    text: text('text').notNull(),
    compact: text('compact').notNull(),
  },
  (table) => [primaryKey({ columns: [table.upstream, table.jti] })],
);

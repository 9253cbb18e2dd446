import { jsonb, text } from 'drizzle-orm/pg-core';
import type { HookFailure, HookOptions } from '../../hooks/ports.ts';
import { bytes, count, hub } from './schema-columns.ts';

/** The Drizzle mirror of `migrations/0014_hooks.sql`. */
export const hooks = hub.table('hooks', {
  sourceId: text('source_id').primaryKey(),
  kind: text('kind').notNull(),
  options: jsonb('options').$type<HookOptions>().notNull(),
  mapping: text('mapping'),
  secretsSealed: bytes('secrets_sealed').notNull(),
  createdAtMs: count('created_at_ms').notNull(),
  updatedAtMs: count('updated_at_ms').notNull(),
  accepted: count('accepted').notNull().default(0),
  ignored: count('ignored').notNull().default(0),
  failed: count('failed').notNull().default(0),
  refused: count('refused').notNull().default(0),
  lastAcceptedAtMs: count('last_accepted_at_ms'),
  lastFailure: jsonb('last_failure').$type<HookFailure>(),
});

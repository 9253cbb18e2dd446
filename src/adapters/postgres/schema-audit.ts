import { bigint, boolean, jsonb, text } from 'drizzle-orm/pg-core';
import type { JsonObject } from '../../core/vocabulary.ts';
import { bytes, count, hub } from './schema-columns.ts';

export const auditLog = hub.table('audit_log', {
  id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
  atMs: count('at_ms').notNull(),
  actor: text('actor').notNull(),
  action: text('action').notNull(),
  target: text('target').notNull(),
  outcome: text('outcome').$type<'done' | 'refused'>().notNull(),
  correlationId: text('correlation_id'),
  txn: text('txn'),
  detail: jsonb('detail').$type<JsonObject>().notNull().default({}),
  chainSeq: count('chain_seq'),
  hash: bytes('hash'),
});

export const auditHead = hub.table('audit_head', {
  singleton: boolean('singleton').primaryKey().default(true),
  chainSeq: count('chain_seq').notNull(),
  hash: bytes('hash').notNull(),
});

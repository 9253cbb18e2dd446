import { integer, jsonb, text } from 'drizzle-orm/pg-core';
import type { SigningAlgorithm } from '../../core/stream.ts';
import type { KeyPurpose, PublicJwk } from '../../transmitter/key-ports.ts';
import { bytes, count, hub } from './schema-columns.ts';

/** The Drizzle mirror of `migrations/0003_signing_keys.sql` and `0009_callers.sql`. */
export const signingKeys = hub.table('signing_keys', {
  kid: text('kid').primaryKey(),
  purpose: text('purpose').$type<KeyPurpose>().notNull(),
  algorithm: text('algorithm').$type<SigningAlgorithm>().notNull(),
  generation: integer('generation').notNull(),
  publicJwk: jsonb('public_jwk').$type<PublicJwk>().notNull(),
  privateSealed: bytes('private_sealed'),
  publishedAtMs: count('published_at_ms').notNull(),
  signsFromMs: count('signs_from_ms').notNull(),
  retiredAtMs: count('retired_at_ms'),
});

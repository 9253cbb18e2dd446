import { boolean, jsonb, text } from 'drizzle-orm/pg-core';
import type { IssuerSettings } from '../../core/issuer.ts';
import type { ClientAuthMethod, ClientJwks } from '../../authorization/ports.ts';
import type { StreamProfile } from '../../core/stream.ts';
import { bytes, count, hub } from './schema-columns.ts';

/** The Drizzle mirror of `migrations/0004_clients.sql`, with what `0009_callers.sql` and `0010_profile.sql` add. */
export const clients = hub.table('clients', {
  id: text('id').primaryKey(),
  description: text('description'),
  scopes: text('scopes').array().notNull(),
  authMethod: text('auth_method').$type<ClientAuthMethod>(),
  secretSha256: bytes('secret_sha256'),
  jwks: jsonb('jwks').$type<ClientJwks>(),
  dpopBound: boolean('dpop_bound').notNull().default(false),
  profile: text('profile').$type<StreamProfile>(),
  sourceId: text('source_id').notNull(),
  createdAtMs: count('created_at_ms').notNull(),
  revokedAtMs: count('revoked_at_ms'),
  issuer: text('issuer'),
  issuerClientId: text('issuer_client_id'),
  issuerSub: text('issuer_sub'),
  person: boolean('person').notNull().default(false),
});

export const callerIssuers = hub.table('caller_issuers', {
  url: text('url').primaryKey(),
  settings: jsonb('settings').$type<IssuerSettings>().notNull(),
  updatedAtMs: count('updated_at_ms').notNull(),
});

export const ownIssuers = hub.table('own_issuers', {
  url: text('url').primaryKey(),
  sinceMs: count('since_ms').notNull(),
});

export const usedProofs = hub.table('used_proofs', {
  id: text('id').primaryKey(),
  expiresAtMs: count('expires_at_ms').notNull(),
});

/**
 * With `schema-audit.ts` the Drizzle mirror of `migrations/0001_hub.sql` and `0007_reports.sql`, which are the truth:
 * constraints and indexes live there. A contract test compares the two, column by column.
 */
import { boolean, doublePrecision, integer, jsonb, primaryKey, text } from 'drizzle-orm/pg-core';
import type { Outcome, StandingTemplate } from '../../core/decision.ts';
import type { InstanceDeclaration } from '../../core/feed.ts';
import type { IssuerSettings } from '../../core/issuer.ts';
import type { CutOffBasis, Effect, Match, Reach, Restrict, StepUp } from '../../core/revocation.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { Reported } from '../../points/ports.ts';
import type { ShareRow } from './revocation-rows.ts';
import { bytes, count, hub } from './schema-columns.ts';
import type { StoredAnswer, StoredStatement } from './stored-signal.ts';

export const feedHead = hub.table('feed_head', {
  singleton: boolean('singleton').primaryKey().default(true),
  epoch: text('epoch').notNull(),
  seq: count('seq').notNull(),
  checkValue: bytes('check_value').notNull(),
  digest: count('digest').array().notNull(),
  openedAtMs: count('opened_at_ms').notNull(),
  openedBecause: text('opened_because').notNull(),
});

export const feedLog = hub.table('feed_log', {
  seq: count('seq').primaryKey(),
  epoch: text('epoch').notNull(),
  op: text('op').$type<'put' | 'lift' | 'drop'>().notNull(),
  revocationId: text('revocation_id').notNull(),
  body: text('body').notNull(),
  checkValue: bytes('check_value').notNull(),
  committedAtMs: count('committed_at_ms').notNull(),
});

export const sources = hub.table('sources', {
  id: text('id').primaryKey(),
  description: text('description'),
  eventTypes: text('event_types').array(),
  subjectIssuers: text('subject_issuers').array(),
  subjectDomains: text('subject_domains').array(),
  peer: text('peer'),
  strongestEffect: text('strongest_effect').$type<Effect>().notNull().default('deny'),
  killsPerMinute: integer('kills_per_minute').notNull().default(30),
  softEffect: text('soft_effect').$type<Effect>().notNull().default('observe'),
  heldSeconds: integer('held_seconds').notNull().default(3600),
  heldDefault: text('held_default').$type<'release' | 'discard'>().notNull().default('discard'),
  person: boolean('person').notNull().default(false),
  createdAtMs: count('created_at_ms').notNull(),
});

export const points = hub.table('points', {
  name: text('name').primaryKey(),
  expect: integer('expect').notNull().default(1),
  ephemeral: boolean('ephemeral').notNull().default(false),
  createdAtMs: count('created_at_ms').notNull(),
  retiredAtMs: count('retired_at_ms'),
});

export const apiTokens = hub.table('api_tokens', {
  id: text('id').primaryKey(),
  actor: text('actor').notNull(),
  secretSha256: bytes('secret_sha256').notNull(),
  scopes: text('scopes').array().notNull(),
  sourceId: text('source_id').notNull(),
  point: text('point'),
  createdAtMs: count('created_at_ms').notNull(),
  madeBy: text('made_by'),
  expiresAtMs: count('expires_at_ms'),
  revokedAtMs: count('revoked_at_ms'),
  lastUsedAtMs: count('last_used_at_ms'),
});

export const signals = hub.table('signals', {
  id: text('id').primaryKey(),
  sourceId: text('source_id').notNull(),
  externalId: text('external_id'),
  body: bytes('body').notNull(),
  bodySha256: bytes('body_sha256').notNull(),
  statement: jsonb('statement').$type<StoredStatement>().notNull(),
  eventType: text('event_type').notNull(),
  subjectKey: text('subject_key').notNull(),
  principal: text('principal').notNull(),
  eventTime: doublePrecision('event_time').notNull(),
  receivedAtMs: count('received_at_ms').notNull(),
  actor: text('actor').notNull(),
  txn: text('txn').notNull(),
  outcome: text('outcome').$type<Outcome>().notNull(),
  answer: jsonb('answer').$type<StoredAnswer>().notNull(),
  agents: text('agents').array().notNull(),
  kills: boolean('kills').notNull(),
  lastSeq: count('last_seq'),
});

export const sourceKills = hub.table(
  'source_kills',
  {
    sourceId: text('source_id').notNull(),
    second: count('second').notNull(),
    kills: integer('kills').notNull(),
  },
  (table) => [primaryKey({ columns: [table.sourceId, table.second] })],
);

export const subjectStates = hub.table(
  'subject_states',
  {
    sourceId: text('source_id').notNull(),
    subjectKey: text('subject_key').notNull(),
    family: text('family').notNull(),
    eventType: text('event_type').notNull(),
    eventTime: doublePrecision('event_time').notNull(),
  },
  (table) => [primaryKey({ columns: [table.sourceId, table.subjectKey, table.family] })],
);

export const held = hub.table('held', {
  signalId: text('signal_id').primaryKey(),
  sourceId: text('source_id').notNull(),
  code: text('code').notNull(),
  text: text('text').notNull(),
  approvalsRequired: integer('approvals_required').notNull(),
  approvals: jsonb('approvals')
    .$type<readonly { readonly actor: string; readonly at_ms: number }[]>()
    .notNull()
    .default([]),
  state: text('state').$type<'waiting' | 'released' | 'discarded'>().notNull().default('waiting'),
  deadlineMs: count('deadline_ms').notNull(),
  atDeadline: text('at_deadline').$type<'release' | 'discard'>().notNull(),
  decidedBy: text('decided_by'),
  decidedAtMs: count('decided_at_ms'),
});

export const revocations = hub.table('revocations', {
  id: text('id').primaryKey(),
  epoch: text('epoch').notNull(),
  seq: count('seq').notNull(),
  committedAtMs: count('committed_at_ms').notNull(),
  match: jsonb('match').$type<Match>().notNull(),
  reach: text('reach').$type<Reach>().notNull(),
  effect: text('effect').$type<Effect>().notNull(),
  cutOff: count('cut_off'),
  cutOffBasis: text('cut_off_basis').$type<CutOffBasis>(),
  lapsesAt: count('lapses_at'),
  stepUp: jsonb('step_up').$type<StepUp>(),
  restrict: jsonb('restrict').$type<Restrict>(),
  reason: text('reason').notNull(),
  mergeKey: bytes('merge_key').notNull(),
  signalId: text('signal_id').notNull(),
  shares: jsonb('shares').$type<readonly ShareRow[]>().notNull().default([]),
  sourceId: text('source_id').notNull(),
  standingId: text('standing_id'),
  cause: text('cause').notNull(),
  family: text('family'),
  subjectKey: text('subject_key').notNull(),
  agent: text('agent'),
  liftAtMs: count('lift_at_ms'),
  state: text('state').$type<'live' | 'lifted' | 'dropped'>().notNull().default('live'),
  endedAtMs: count('ended_at_ms'),
  endedBy: text('ended_by'),
  putAtMs: count('put_at_ms').notNull(),
});

export const standingKills = hub.table('standing_kills', {
  id: text('id').primaryKey(),
  signalId: text('signal_id').notNull(),
  signals: text('signals').array().notNull(),
  sourceId: text('source_id').notNull(),
  agent: text('agent'),
  identifier: text('identifier'),
  subjectKey: text('subject_key').notNull(),
  family: text('family'),
  template: jsonb('template').$type<Omit<StandingTemplate, 'cutOff' | 'lapsesAt' | 'liftAtMs'>>().notNull(),
  cutOff: count('cut_off'),
  lapsesAt: count('lapses_at'),
  liftAtMs: count('lift_at_ms'),
  mergeKey: bytes('merge_key').notNull(),
  state: text('state').$type<'standing' | 'ended'>().notNull().default('standing'),
});

export const agents = hub.table('agents', {
  name: text('name').primaryKey(),
  description: text('description'),
  owner: text('owner'),
  protected: boolean('protected').notNull().default(false),
  createdAtMs: count('created_at_ms').notNull(),
  updatedAtMs: count('updated_at_ms').notNull(),
  retiredAtMs: count('retired_at_ms'),
});

export const agentOwners = hub.table(
  'agent_owners',
  {
    agent: text('agent').notNull(),
    identifier: text('identifier').notNull(),
    subject: jsonb('subject').$type<JsonObject>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.identifier, table.agent] })],
);

export const agentIdentities = hub.table('agent_identities', {
  matchKey: text('match_key').primaryKey(),
  agent: text('agent').notNull(),
  match: jsonb('match').$type<Match>().notNull(),
  learntAtMs: count('learnt_at_ms').notNull(),
});

export const agentParents = hub.table(
  'agent_parents',
  { child: text('child').notNull(), parent: text('parent').notNull() },
  (table) => [primaryKey({ columns: [table.child, table.parent] })],
);

export const identityLinks = hub.table('identity_links', {
  identifier: text('identifier').primaryKey(),
  subject: jsonb('subject').$type<JsonObject>().notNull(),
  agent: text('agent'),
  match: jsonb('match').$type<Match>(),
  createdAtMs: count('created_at_ms').notNull(),
});

export const issuers = hub.table('issuers', {
  url: text('url').primaryKey(),
  settings: jsonb('settings').$type<IssuerSettings>().notNull(),
  updatedAtMs: count('updated_at_ms').notNull(),
});

export const pointInstances = hub.table(
  'point_instances',
  {
    point: text('point').notNull(),
    instance: text('instance').notNull(),
    declared: jsonb('declared').$type<InstanceDeclaration>().notNull(),
    appliedEpoch: text('applied_epoch'),
    appliedSeq: count('applied_seq'),
    firstSeenMs: count('first_seen_ms').notNull(),
    lastSeenMs: count('last_seen_ms').notNull(),
    reported: jsonb('reported').$type<Reported>().notNull(),
    fedUntilMs: count('fed_until_ms'),
    leftAtMs: count('left_at_ms'),
  },
  (table) => [primaryKey({ columns: [table.point, table.instance] })],
);

export const receipts = hub.table(
  'receipts',
  {
    point: text('point').notNull(),
    instance: text('instance').notNull(),
    throughSeq: count('through_seq').notNull(),
    afterSeq: count('after_seq').notNull(),
    receivedAtMs: count('received_at_ms').notNull(),
    appliedAfterMs: doublePrecision('applied_after_ms'),
  },
  (table) => [primaryKey({ columns: [table.point, table.instance, table.throughSeq] })],
);

export const receiptNotes = hub.table(
  'receipt_notes',
  {
    point: text('point').notNull(),
    instance: text('instance').notNull(),
    revocationId: text('revocation_id').notNull(),
    afterMs: doublePrecision('after_ms').notNull(),
    receivedAtMs: count('received_at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.point, table.instance, table.revocationId] })],
);

export const reports = hub.table('reports', {
  id: text('id').primaryKey(),
  point: text('point').notNull(),
  instance: text('instance').notNull(),
  kind: text('kind').$type<'refusal' | 'sighting'>().notNull(),
  detail: jsonb('detail').$type<JsonObject>().notNull(),
  receivedAtMs: count('received_at_ms').notNull(),
  saidSha256: bytes('said_sha256'),
});

-- Everything the hub owns lives in the schema "hub". Times end in _ms (milliseconds since the epoch) or are whole seconds, as on the wire.
CREATE SCHEMA IF NOT EXISTS hub;

-- ---------------------------------------------------------------------------------------------------------------- feed
-- The single row that numbers, chains and digests the feed. Whoever puts, moves or ends a revocation locks it first.
CREATE TABLE hub.feed_head (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  epoch text NOT NULL,
  seq bigint NOT NULL,
  check_value bytea NOT NULL,                -- 8 bytes: SHA-256(previous check ‖ seq ‖ op ‖ id ‖ body), truncated
  digest bigint[] NOT NULL,                  -- four unsigned 32-bit lanes: sum of SHA-256(id ‖ position) over what is put and not removed
  opened_at_ms bigint NOT NULL,
  opened_because text NOT NULL
);

CREATE TABLE hub.feed_log (
  seq bigint PRIMARY KEY,
  epoch text NOT NULL,
  op text NOT NULL CHECK (op IN ('put', 'lift', 'drop')),
  revocation_id text NOT NULL,
  body text NOT NULL,                        -- JSON object without position, prev and committed_at_ms
  check_value bytea NOT NULL,
  committed_at_ms bigint NOT NULL
);

-- ------------------------------------------------------------------------------------------------------------- sources
CREATE TABLE hub.sources (
  id text PRIMARY KEY,
  description text,
  event_types text[],                        -- NULL: every type
  subject_issuers text[],                    -- NULL: every issuer
  strongest_effect text NOT NULL DEFAULT 'deny',
  kills_per_minute integer NOT NULL DEFAULT 30,
  soft_effect text NOT NULL DEFAULT 'observe',
  held_seconds integer NOT NULL DEFAULT 3600,
  held_default text NOT NULL DEFAULT 'discard' CHECK (held_default IN ('release', 'discard')),
  person boolean NOT NULL DEFAULT false,     -- speaks for a person at a keyboard, not for a machine
  created_at_ms bigint NOT NULL
);

CREATE TABLE hub.points (
  name text PRIMARY KEY,
  expect integer NOT NULL DEFAULT 1,
  ephemeral boolean NOT NULL DEFAULT false,
  created_at_ms bigint NOT NULL,
  retired_at_ms bigint
);

CREATE TABLE hub.api_tokens (
  id text PRIMARY KEY,
  actor text NOT NULL,                       -- who holds it, as the audit names them
  secret_sha256 bytea NOT NULL UNIQUE,
  scopes text[] NOT NULL,
  source_id text NOT NULL REFERENCES hub.sources (id),
  point text REFERENCES hub.points (name),
  created_at_ms bigint NOT NULL,
  made_by text REFERENCES hub.api_tokens (id),  -- it is revoked with this one; NULL: an admin made it
  expires_at_ms bigint,
  revoked_at_ms bigint,
  last_used_at_ms bigint
);
CREATE INDEX api_tokens_made_by ON hub.api_tokens (made_by) WHERE made_by IS NOT NULL;

-- ------------------------------------------------------------------------------------------------------------- signals
CREATE TABLE hub.signals (
  id text PRIMARY KEY,
  source_id text NOT NULL,
  external_id text,
  body bytea NOT NULL,                       -- as received: jsonb cannot hold \u0000 and forgets the order of members
  body_sha256 bytea NOT NULL,
  statement jsonb NOT NULL,                  -- the statement without body and source: what a release decides again
  event_type text NOT NULL,
  subject_key text NOT NULL,
  principal text NOT NULL,                   -- "agent:<name>" where the subject is exactly one agent, else its subject key
  event_time double precision NOT NULL,      -- seconds, may be fractional
  received_at_ms bigint NOT NULL,
  actor text NOT NULL,
  txn text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('applied', 'held', 'recorded', 'unresolved', 'undecided', 'discarded')),
  answer jsonb NOT NULL,                     -- decision, revocations and warnings as first answered
  agents text[] NOT NULL,
  kills boolean NOT NULL,                    -- corroborates others
  last_seq bigint                            -- the feed position that carries the whole of it; NULL: put nothing
);
CREATE UNIQUE INDEX signals_external ON hub.signals (source_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX signals_newest ON hub.signals (received_at_ms, id);
CREATE INDEX signals_corroboration ON hub.signals (principal, received_at_ms) WHERE kills;

-- How many kills a source has caused, second by second: more than kills_per_minute in the last 60 are held.
CREATE TABLE hub.source_kills (
  source_id text NOT NULL,
  second bigint NOT NULL,
  kills integer NOT NULL,
  PRIMARY KEY (source_id, second)
);

-- The newest event of each family that a source told about a subject: opposing events are ordered by event time.
CREATE TABLE hub.subject_states (
  source_id text NOT NULL,
  subject_key text NOT NULL,
  family text NOT NULL,
  event_type text NOT NULL,
  event_time double precision NOT NULL,
  PRIMARY KEY (source_id, subject_key, family)
);

CREATE TABLE hub.held (
  signal_id text PRIMARY KEY REFERENCES hub.signals (id),
  source_id text NOT NULL,
  code text NOT NULL,                        -- why it waits
  text text NOT NULL,
  approvals_required integer NOT NULL,
  approvals jsonb NOT NULL DEFAULT '[]',
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'released', 'discarded')),
  deadline_ms bigint NOT NULL,
  at_deadline text NOT NULL CHECK (at_deadline IN ('release', 'discard')),
  decided_by text,
  decided_at_ms bigint
);
CREATE INDEX held_waiting ON hub.held (deadline_ms) WHERE state = 'waiting';

-- --------------------------------------------------------------------------------------------------------- revocations
CREATE TABLE hub.revocations (
  id text PRIMARY KEY,
  epoch text NOT NULL,                       -- current position; a merge moves it forward
  seq bigint NOT NULL,
  committed_at_ms bigint NOT NULL,           -- of that position
  match jsonb NOT NULL,
  reach text NOT NULL,
  effect text NOT NULL,
  cut_off bigint,
  cut_off_basis text,
  lapses_at bigint,
  step_up jsonb,
  restrict jsonb,
  reason text NOT NULL,
  merge_key bytea NOT NULL,                  -- SHA-256 over match, reach, effect, basis, obligations and who may end it
  signal_id text NOT NULL,                   -- of those that put it or moved it forward, the one with the latest cut-off
  shares jsonb NOT NULL DEFAULT '[]',        -- what the others put, each as it would stand alone
  source_id text NOT NULL,
  standing_id text,
  cause text NOT NULL,                       -- event type that put it
  family text,                               -- events of the same family may lift it
  subject_key text NOT NULL,
  agent text,
  lift_at_ms bigint,                         -- a timed disable is lifted by the hub, never by lapsing
  state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'lifted', 'dropped')),
  ended_at_ms bigint,
  ended_by text,
  put_at_ms bigint NOT NULL
);
CREATE UNIQUE INDEX revocations_merge ON hub.revocations (source_id, merge_key) WHERE state = 'live' AND cut_off IS NOT NULL;
CREATE INDEX revocations_seq ON hub.revocations (seq);
CREATE INDEX revocations_lapse ON hub.revocations (lapses_at) WHERE state = 'live' AND lapses_at IS NOT NULL;
CREATE INDEX revocations_timed ON hub.revocations (lift_at_ms) WHERE state = 'live' AND lift_at_ms IS NOT NULL;
CREATE INDEX revocations_signal ON hub.revocations (signal_id);
CREATE INDEX revocations_shares ON hub.revocations USING gin (shares jsonb_path_ops) WHERE state = 'live' AND shares <> '[]';
CREATE INDEX revocations_family ON hub.revocations (source_id, subject_key, family) WHERE state = 'live' AND family IS NOT NULL;
CREATE INDEX revocations_agent ON hub.revocations (agent) WHERE state = 'live' AND agent IS NOT NULL;
CREATE INDEX revocations_standing ON hub.revocations (standing_id) WHERE standing_id IS NOT NULL;
-- Without a pending list, which a kill would have to empty one day.
CREATE INDEX revocations_match ON hub.revocations USING gin (match jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX revocations_newest ON hub.revocations (put_at_ms, id);
CREATE INDEX revocations_ended ON hub.revocations (ended_at_ms) WHERE state <> 'live';

-- Kills that bind late: while one stands, every identity, child or key learnt under its agent, or the
-- identifier it waits for, gets the same entry in the transaction that learns it.
CREATE TABLE hub.standing_kills (
  id text PRIMARY KEY,
  signal_id text NOT NULL,
  signals text[] NOT NULL,                   -- all that made it stand, the newest 31; '' in the place of those before
  source_id text NOT NULL,
  agent text,
  identifier text,                           -- normalised identifier that nobody could resolve yet
  subject_key text NOT NULL,
  family text,                               -- events of the same family may end it
  template jsonb NOT NULL,                   -- everything of a put but its match and the three that a merge moves
  cut_off bigint,
  lapses_at bigint,
  lift_at_ms bigint,
  merge_key bytea NOT NULL,                  -- SHA-256 over agent or identifier and template
  state text NOT NULL DEFAULT 'standing' CHECK (state IN ('standing', 'ended')),
  CHECK ((agent IS NULL) <> (identifier IS NULL))
);
CREATE UNIQUE INDEX standing_kills_merge ON hub.standing_kills (source_id, merge_key) WHERE state = 'standing' AND cut_off IS NOT NULL;
CREATE INDEX standing_kills_agent ON hub.standing_kills (agent) WHERE state = 'standing';
CREATE INDEX standing_kills_identifier ON hub.standing_kills (identifier) WHERE state = 'standing';
CREATE INDEX standing_kills_family ON hub.standing_kills (source_id, subject_key, family) WHERE state = 'standing';
CREATE INDEX standing_kills_signal ON hub.standing_kills (signal_id);
CREATE INDEX standing_kills_signals ON hub.standing_kills USING gin (signals) WHERE state = 'standing';
CREATE INDEX standing_kills_lapse ON hub.standing_kills (lapses_at) WHERE state = 'standing' AND lapses_at IS NOT NULL;

-- ---------------------------------------------------------------------------------------------------------- registries
CREATE TABLE hub.agents (
  name text PRIMARY KEY,
  description text,
  owner text,
  protected boolean NOT NULL DEFAULT false,
  created_at_ms bigint NOT NULL,
  updated_at_ms bigint NOT NULL,
  retired_at_ms bigint
);

CREATE TABLE hub.agent_owners (              -- how the owner is known to those who send events
  agent text NOT NULL REFERENCES hub.agents (name) ON DELETE CASCADE,
  identifier text NOT NULL,
  subject jsonb NOT NULL,
  PRIMARY KEY (identifier, agent)
);
CREATE INDEX agent_owners_agent ON hub.agent_owners (agent);

CREATE TABLE hub.agent_identities (          -- keys that its tokens carry
  match_key text PRIMARY KEY,                -- canonical JSON of match
  agent text NOT NULL REFERENCES hub.agents (name) ON DELETE CASCADE,
  match jsonb NOT NULL,
  learnt_at_ms bigint NOT NULL
);
CREATE INDEX agent_identities_agent ON hub.agent_identities (agent);
CREATE INDEX agent_identities_match ON hub.agent_identities USING gin (match jsonb_path_ops);
CREATE INDEX agent_identities_workload ON hub.agent_identities ((match ->> 'workload') text_pattern_ops) WHERE match ? 'workload';

CREATE TABLE hub.agent_parents (
  child text NOT NULL REFERENCES hub.agents (name) ON DELETE CASCADE,
  parent text NOT NULL REFERENCES hub.agents (name) ON DELETE CASCADE,
  PRIMARY KEY (child, parent),
  CHECK (child <> parent)
);
CREATE INDEX agent_parents_parent ON hub.agent_parents (parent);

CREATE TABLE hub.identity_links (            -- (format, value) → an agent, or a key of somebody who is no agent
  identifier text PRIMARY KEY,
  subject jsonb NOT NULL,
  agent text REFERENCES hub.agents (name) ON DELETE CASCADE,
  match jsonb,
  created_at_ms bigint NOT NULL,
  CHECK ((agent IS NULL) <> (match IS NULL))
);
CREATE INDEX identity_links_agent ON hub.identity_links (agent);

CREATE TABLE hub.issuers (
  url text PRIMARY KEY,
  settings jsonb NOT NULL,                   -- core/issuer.ts
  updated_at_ms bigint NOT NULL
);

-- -------------------------------------------------------------------------------------------------- points and receipts
CREATE TABLE hub.point_instances (
  point text NOT NULL REFERENCES hub.points (name),
  instance text NOT NULL,
  declared jsonb NOT NULL,                   -- kind, version, postures, can, downstream_cache_seconds
  applied_epoch text,
  applied_seq bigint,
  first_seen_ms bigint NOT NULL,
  last_seen_ms bigint NOT NULL,
  reported jsonb NOT NULL,                   -- stale_ms, orphans, divergent, refused, cannot of its newest receipt
  fed_until_ms bigint,                       -- no heartbeat reached it after this; lies ahead while it is connected
  left_at_ms bigint,                         -- it said goodbye
  PRIMARY KEY (point, instance)
);
CREATE INDEX point_instances_seen ON hub.point_instances (last_seen_ms);

CREATE TABLE hub.receipts (                  -- cumulative: covers after_seq < position <= through_seq
  point text NOT NULL,
  instance text NOT NULL,
  through_seq bigint NOT NULL,
  after_seq bigint NOT NULL,
  received_at_ms bigint NOT NULL,
  applied_after_ms double precision,
  PRIMARY KEY (point, instance, through_seq)
);
CREATE INDEX receipts_age ON hub.receipts (received_at_ms);

CREATE TABLE hub.receipt_notes (             -- the first denial because of one revocation at one instance
  point text NOT NULL,
  instance text NOT NULL,
  revocation_id text NOT NULL,
  after_ms double precision NOT NULL,        -- from its being in force there, on the point's clock
  received_at_ms bigint NOT NULL,
  PRIMARY KEY (point, instance, revocation_id)
);
CREATE INDEX receipt_notes_revocation ON hub.receipt_notes (revocation_id);
CREATE INDEX receipt_notes_age ON hub.receipt_notes (received_at_ms);

CREATE TABLE hub.reports (                   -- what points refused and saw, without tokens
  id text PRIMARY KEY,
  point text NOT NULL,
  instance text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('refusal', 'sighting')),
  detail jsonb NOT NULL,
  received_at_ms bigint NOT NULL
);
CREATE INDEX reports_newest ON hub.reports (received_at_ms, id);

-- --------------------------------------------------------------------------------------------------------------- audit
CREATE TABLE hub.audit_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at_ms bigint NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
  correlation_id text,
  txn text,
  detail jsonb NOT NULL DEFAULT '{}',
  chain_seq bigint UNIQUE,                   -- set within a second of the commit by the one chainer
  hash bytea                                 -- SHA-256(previous hash ‖ canonical row)
);
CREATE INDEX audit_log_unchained ON hub.audit_log (id) WHERE chain_seq IS NULL;

CREATE TABLE hub.audit_head (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  chain_seq bigint NOT NULL,
  hash bytea NOT NULL
);
INSERT INTO hub.audit_head (chain_seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

INSERT INTO hub.feed_head (epoch, seq, check_value, digest, opened_at_ms, opened_because)
VALUES (left(replace(gen_random_uuid()::text, '-', ''), 8), 0, decode('0000000000000000', 'hex'), '{0,0,0,0}',
        floor(extract(epoch FROM clock_timestamp()) * 1000), 'first start');

-- Transmitters that the hub listens to (SSF 1.0, the role of the Receiver), and the SETs of theirs that are no signals.

ALTER TABLE hub.sources
  ADD COLUMN subject_domains text[],         -- of addresses and accounts; NULL: every domain
  ADD COLUMN peer text;                      -- client whose streams are told nothing of what it says

CREATE TABLE hub.upstreams (
  name text PRIMARY KEY REFERENCES hub.sources (id),
  id text NOT NULL UNIQUE,                   -- in the URL that it pushes to: nobody guesses it
  settings jsonb NOT NULL,                   -- as a person set it up, without secrets
  secrets_sealed bytea NOT NULL,             -- credentials, and the Authorization that its pushes carry
  push_authorization_sha256 bytea NOT NULL,
  paused boolean NOT NULL DEFAULT false,
  binding jsonb,                             -- what its SETs are held against; NULL: not connected yet
  stream_status text,                        -- as it last said
  stream_status_reason text,
  verification_state text,                   -- sent with the request that is not answered yet
  verification_requested_at_ms bigint,
  verified_at_ms bigint,
  last_set_at_ms bigint,
  failure jsonb,
  due_at_ms bigint NOT NULL,                 -- looked after next
  turn_until_ms bigint NOT NULL DEFAULT 0,   -- somebody looks after it until then
  polled_by text,                            -- the node that polls it
  polled_until_ms bigint NOT NULL DEFAULT 0,
  created_at_ms bigint NOT NULL
);
CREATE INDEX upstreams_due ON hub.upstreams (due_at_ms) WHERE NOT paused;

CREATE TABLE hub.received_sets (
  upstream text NOT NULL REFERENCES hub.upstreams (name) ON DELETE CASCADE,
  jti text NOT NULL,
  received_at_ms bigint NOT NULL,
  event_type text NOT NULL,
  subject jsonb NOT NULL,
  outcome text NOT NULL,
  text text NOT NULL,
  compact text NOT NULL,                     -- as received: its signature is evidence
  PRIMARY KEY (upstream, jti)
);
CREATE INDEX received_sets_newest ON hub.received_sets (upstream, received_at_ms, jti);
CREATE INDEX received_sets_oldest ON hub.received_sets (received_at_ms);

-- What comes round by another Transmitter ends here.
CREATE INDEX signals_txn ON hub.signals (txn);

-- Streams of downstream Receivers, and the SETs on their way to them (SSF 1.0 §8, RFC 8935, RFC 8936).

-- Counts every change of streams and their subjects: who decides what goes where reads it in the same transaction, and
-- knows by it whether what it remembers of them is still true.
CREATE TABLE hub.stream_changes (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version bigint NOT NULL
);
INSERT INTO hub.stream_changes (version) VALUES (0);

CREATE TABLE hub.streams (
  id text PRIMARY KEY,
  receiver text NOT NULL,                    -- whose it is
  aud text NOT NULL,
  events_requested text[],                   -- NULL: nothing was asked for
  events_delivered text[] NOT NULL,
  method text NOT NULL CHECK (method IN ('push', 'poll')),
  endpoint_url text,                         -- of the Receiver; NULL: poll
  authorization_sealed bytea,                -- the Authorization value for pushes, encrypted
  description text,
  status text NOT NULL CHECK (status IN ('enabled', 'paused', 'disabled')),
  status_reason text,
  algorithm text NOT NULL CHECK (algorithm IN ('RS256', 'ES256', 'EdDSA')),
  default_subjects text NOT NULL CHECK (default_subjects IN ('ALL', 'NONE')),
  min_verification_interval integer NOT NULL, -- seconds
  inactivity_timeout integer,                -- seconds
  last_activity_at_ms bigint NOT NULL,
  last_verification_at_ms bigint,
  blocked_until_ms bigint NOT NULL DEFAULT 0, -- the endpoint failed again and again: nothing is tried before
  failures_in_row integer NOT NULL DEFAULT 0,
  subjects integer NOT NULL DEFAULT 0,       -- how many are listed
  subjects_version bigint NOT NULL DEFAULT 0, -- of hub.stream_changes, at their last change
  created_at_ms bigint NOT NULL,
  updated_at_ms bigint NOT NULL,
  CHECK ((method = 'push') = (endpoint_url IS NOT NULL))
);
CREATE INDEX streams_receiver ON hub.streams (receiver, created_at_ms, id);
CREATE INDEX streams_created ON hub.streams (created_at_ms, id);
CREATE INDEX streams_inactive ON hub.streams (last_activity_at_ms) WHERE inactivity_timeout IS NOT NULL;

CREATE TABLE hub.stream_subjects (
  stream_id text NOT NULL REFERENCES hub.streams (id) ON DELETE CASCADE,
  subject_key text NOT NULL,                 -- canonical JSON of the subject, hashed
  subject jsonb NOT NULL,
  listed text NOT NULL CHECK (listed IN ('added', 'removed')),
  verified boolean NOT NULL,
  shape text,                                -- names of the members of a complex subject; NULL: it is simple
  changed_at_ms bigint NOT NULL,
  changed_version bigint NOT NULL,           -- of hub.stream_changes: the later of two calls wins
  PRIMARY KEY (stream_id, subject_key)
);
CREATE INDEX stream_subjects_shapes ON hub.stream_subjects (stream_id, listed, shape) WHERE shape IS NOT NULL;

-- The truth about every SET: what is pending is sent, whoever remembers it.
CREATE TABLE hub.deliveries (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  jti text NOT NULL UNIQUE,
  stream_id text NOT NULL REFERENCES hub.streams (id) ON DELETE CASCADE,
  principal text NOT NULL,                   -- SETs of one principal go one after the other
  denies boolean NOT NULL,                   -- goes before what others' principals wait for
  control boolean NOT NULL,                  -- about the stream itself: sent once more even when it is paused
  family text,                               -- a newer one of the same principal outdates those not yet sent
  event_type text NOT NULL,
  signal_id text,
  claims jsonb NOT NULL,                     -- of the SET, fixed
  kid text,
  compact text,                              -- the SET as signed; stored before it leaves, and repeated
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead', 'cancelled')),
  attempts integer NOT NULL DEFAULT 0,
  due_at_ms bigint NOT NULL,                 -- not tried before
  claimed_until_ms bigint NOT NULL DEFAULT 0, -- somebody is at it, or it was handed out and not acknowledged yet
  fence bigint NOT NULL DEFAULT 0,           -- counts claims: only the newest may say how it went
  last_answer jsonb,                         -- status, err, description, at_ms; never a whole body
  created_at_ms bigint NOT NULL,
  first_sent_at_ms bigint,
  settled_at_ms bigint
);
CREATE INDEX deliveries_next ON hub.deliveries (stream_id, denies DESC, seq) WHERE state = 'pending';
CREATE INDEX deliveries_stream ON hub.deliveries (stream_id, seq); -- a stream that ends takes them all
CREATE INDEX deliveries_order ON hub.deliveries (stream_id, principal, seq) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON hub.deliveries (stream_id, seq) WHERE state = 'dead';
CREATE INDEX deliveries_done ON hub.deliveries (settled_at_ms) WHERE state IN ('delivered', 'cancelled');
CREATE INDEX deliveries_dead_age ON hub.deliveries (settled_at_ms) WHERE state = 'dead';
CREATE INDEX deliveries_oldest ON hub.deliveries (stream_id, seq) WHERE state = 'pending';
CREATE INDEX deliveries_control ON hub.deliveries (stream_id) WHERE state = 'pending' AND control;
CREATE INDEX deliveries_signal ON hub.deliveries (signal_id) WHERE signal_id IS NOT NULL;
CREATE INDEX deliveries_kid ON hub.deliveries (kid) WHERE state = 'pending' AND kid IS NOT NULL;

-- Doors for stock senders, which bring neither our body nor our header.

CREATE TABLE hub.hooks (
  source_id text PRIMARY KEY REFERENCES hub.sources (id), -- what it may cause is what this source may
  kind text NOT NULL,                        -- how its sender proves who it is, and what it sends
  options jsonb NOT NULL,
  mapping text,                              -- JSONata; NULL: that of its kind
  secrets_sealed bytea NOT NULL,             -- newest first, two at the most: [{"value", "sinceMs"}]
  created_at_ms bigint NOT NULL,
  updated_at_ms bigint NOT NULL,
  -- What became of what came in, written every few seconds.
  accepted bigint NOT NULL DEFAULT 0,
  ignored bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  refused bigint NOT NULL DEFAULT 0,
  last_accepted_at_ms bigint,
  last_failure jsonb                         -- {"atMs", "code", "text"}
);

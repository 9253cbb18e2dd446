-- For how long the endpoint of a stream has been tried without a break: what no Receiver could take is given up by this, and
-- neither a pause of the stream nor an outage of our own counts.
ALTER TABLE hub.streams
  ADD COLUMN trying_since_ms bigint NOT NULL DEFAULT 0,
  ADD COLUMN tried_at_ms bigint NOT NULL DEFAULT 0; -- when somebody did not take a SET, or took one again, for the last time

-- A stream that is deleted is gone at once; its SETs and subjects follow a thousand at a time. Whoever writes either holds
-- the row of the stream, so that nothing is written for one that has gone.
ALTER TABLE hub.deliveries DROP CONSTRAINT IF EXISTS deliveries_stream_id_fkey;
ALTER TABLE hub.stream_subjects DROP CONSTRAINT IF EXISTS stream_subjects_stream_id_fkey;

CREATE TABLE hub.deleted_streams (
  id text PRIMARY KEY                        -- as long as anything of it is left
);

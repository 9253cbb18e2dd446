-- A node that remembers the subjects of streams reads the changes since it last looked, and no list twice.

-- 'forgotten': it makes no difference any more. Nodes must hear of it, then the row goes; it is not counted.
ALTER TABLE hub.stream_subjects DROP CONSTRAINT stream_subjects_listed_check;
ALTER TABLE hub.stream_subjects ADD CONSTRAINT stream_subjects_listed_check
  CHECK (listed IN ('added', 'removed', 'forgotten'));
CREATE UNIQUE INDEX stream_subjects_changes ON hub.stream_subjects (stream_id, changed_version);
CREATE INDEX stream_subjects_forgotten ON hub.stream_subjects (stream_id, changed_version) WHERE listed = 'forgotten';

-- What they take in the memory of every node: UTF-8 bytes of their canonical JSON; rather more for those listed before.
ALTER TABLE hub.streams ADD COLUMN subject_bytes bigint NOT NULL DEFAULT 0;
UPDATE hub.streams s SET subject_bytes = coalesce(
  (SELECT sum(octet_length(x.subject::text)) FROM hub.stream_subjects x WHERE x.stream_id = s.id), 0);

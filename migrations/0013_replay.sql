-- What a principal was told of a family later than by a given SET: whoever sends that SET again asks for it. Hashed, as
-- subjects may be longer than an entry of an index.
CREATE INDEX deliveries_family ON hub.deliveries
  (hashtextextended(stream_id || ' ' || principal || ' ' || split_part(family, ' ', 1), 0), seq) WHERE family IS NOT NULL;

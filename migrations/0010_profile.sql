-- Clients whose streams obey an interoperability profile, named with its version, and those streams.

ALTER TABLE hub.clients ADD COLUMN profile text CHECK (profile IN ('caep-interop-1.0-draft-02'));

ALTER TABLE hub.streams
  ADD COLUMN profile text CHECK (profile IN ('caep-interop-1.0-draft-02')), -- of its client, when it was made
  ADD CHECK (profile IS NULL OR (algorithm = 'RS256' AND default_subjects = 'ALL'));

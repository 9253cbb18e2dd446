-- What a point reported counts once, however often it had to say it because no answer came.
ALTER TABLE hub.reports ADD COLUMN said_sha256 bytea; -- of who said it, in which batch, where in it, and what
CREATE UNIQUE INDEX reports_once ON hub.reports (said_sha256);

-- Callers whose access tokens come from issuers elsewhere: whom the hub believes about callers, and who was let in.

-- Trusted with who may command the hub: nothing to do with hub.issuers, whose tokens points accept.
CREATE TABLE hub.caller_issuers (
  url text PRIMARY KEY,                      -- iss, byte for byte
  settings jsonb NOT NULL,                   -- how its tokens are read, as in hub.issuers
  updated_at_ms bigint NOT NULL
);

-- A client gets its tokens here, or is named by those of another issuer.
ALTER TABLE hub.clients
  ALTER COLUMN auth_method DROP NOT NULL,
  ADD COLUMN issuer text,                    -- NULL: it gets its tokens here
  ADD COLUMN issuer_client_id text,          -- what its tokens must say
  ADD COLUMN issuer_sub text,
  ADD COLUMN person boolean NOT NULL DEFAULT false, -- its tokens are a person's
  DROP CONSTRAINT clients_check,
  DROP CONSTRAINT clients_check1,
  ADD CONSTRAINT clients_kind CHECK ((issuer IS NULL) = (auth_method IS NOT NULL)),
  ADD CONSTRAINT clients_jwks CHECK ((auth_method IS NOT DISTINCT FROM 'private_key_jwt') = (jwks IS NOT NULL)),
  ADD CONSTRAINT clients_secret CHECK ((auth_method IS NOT NULL AND auth_method <> 'private_key_jwt') = (secret_sha256 IS NOT NULL)),
  ADD CONSTRAINT clients_named CHECK ((issuer IS NOT NULL) = (issuer_client_id IS NOT NULL OR issuer_sub IS NOT NULL)),
  ADD CONSTRAINT clients_person CHECK (NOT person OR (issuer_client_id IS NOT NULL AND issuer_sub IS NOT NULL));
-- Of one name at an issuer nobody has to guess whose it is.
CREATE UNIQUE INDEX clients_external ON hub.clients (issuer, coalesce(issuer_client_id, ''), coalesce(issuer_sub, ''))
  WHERE issuer IS NOT NULL AND revoked_at_ms IS NULL;

-- What access tokens are signed with rotates like what SETs are signed with; no key does both.
ALTER TABLE hub.signing_keys
  ADD COLUMN purpose text NOT NULL DEFAULT 'sets' CHECK (purpose IN ('sets', 'access-tokens')),
  DROP CONSTRAINT signing_keys_algorithm_generation_key,
  ADD CONSTRAINT signing_keys_generation UNIQUE (purpose, algorithm, generation);
ALTER TABLE hub.signing_keys ALTER COLUMN purpose DROP DEFAULT;
DROP TABLE hub.authorization_keys;

-- Every URL that the hub has gone by; the newest is what it is. Kills of its clients name them at one of these.
CREATE TABLE hub.own_issuers (
  url text PRIMARY KEY,
  since_ms bigint NOT NULL
);

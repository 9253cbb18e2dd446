-- Programs that call the hub with OAuth access tokens of its own authorization server (RFC 6749 §4.4, RFC 9068).

CREATE TABLE hub.clients (
  id text PRIMARY KEY,                       -- client_id: never used again, for kills name it
  description text,
  scopes text[] NOT NULL,                    -- what it may ask for
  auth_method text NOT NULL CHECK (auth_method IN ('client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  secret_sha256 bytea,                       -- of 32 random bytes
  jwks jsonb,                                -- public keys that sign its assertions
  dpop_bound boolean NOT NULL DEFAULT false, -- gets tokens only that are bound to a key
  source_id text NOT NULL REFERENCES hub.sources (id),
  created_at_ms bigint NOT NULL,
  revoked_at_ms bigint,
  CHECK ((auth_method = 'private_key_jwt') = (jwks IS NOT NULL)),
  CHECK ((auth_method = 'private_key_jwt') = (secret_sha256 IS NULL))
);

-- What the authorization server signs access tokens with; never what signs SETs.
CREATE TABLE hub.authorization_keys (
  kid text PRIMARY KEY,
  public_jwk jsonb NOT NULL,
  private_sealed bytea NOT NULL,             -- the private JWK, encrypted
  created_at_ms bigint NOT NULL,
  current boolean NOT NULL
);
CREATE UNIQUE INDEX authorization_keys_current ON hub.authorization_keys (current) WHERE current;

-- Client assertions and DPoP proofs that were seen by any node: none is good twice.
CREATE TABLE hub.used_proofs (
  id text PRIMARY KEY,
  expires_at_ms bigint NOT NULL
);
CREATE INDEX used_proofs_expired ON hub.used_proofs (expires_at_ms);

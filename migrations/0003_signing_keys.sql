-- The keys that SETs are signed with. What a key does at a moment follows from these times: nobody moves it on but who
-- retires it.
CREATE TABLE hub.signing_keys (
  kid text PRIMARY KEY,                      -- thumbprint (RFC 7638)
  algorithm text NOT NULL CHECK (algorithm IN ('RS256', 'ES256', 'EdDSA')),
  generation integer NOT NULL,               -- counts the keys of an algorithm: of nodes that make the next one, one does
  public_jwk jsonb NOT NULL,                 -- as /jwks.json has it
  private_sealed bytea,                      -- PKCS #8, encrypted under SECRETS_KEY; gone as soon as the key is retired
  published_at_ms bigint NOT NULL,
  signs_from_ms bigint NOT NULL,
  retired_at_ms bigint,                      -- NULL: served
  UNIQUE (algorithm, generation),
  CHECK ((private_sealed IS NULL) = (retired_at_ms IS NOT NULL))
);

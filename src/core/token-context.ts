import type { Seconds } from './vocabulary.ts';

/**
 * One party of a token: the holder itself (hop 0) or an actor of its `act` chain (1 the current actor, 2 `act.act` …).
 * An actor's `iss` defaults to the token's; `client_id` is whatever the issuer's profile calls the client.
 */
export type Hop = {
  readonly iss: string;
  readonly sub?: string;
  readonly client_id?: string;
  readonly workload?: string;
};

/**
 * What matching needs to know of a presented token, flat. Wire names, because they are claims. The same object is
 * what `POST /v1/check` takes: the context travels, never the token.
 */
export type TokenContext = Hop & {
  readonly jkt?: string;
  readonly 'x5t#S256'?: string;
  readonly jti?: string;
  readonly sid?: string;
  /**
   * base64url SHA-256 over the signed part of the compact token (`header.payload`): names a token that has no `jti`.
   * Not over the signature: ECDSA lets anybody write another one that verifies, and so shake off a kill.
   */
  readonly token_sha256?: string;
  readonly iat?: Seconds;
  readonly auth_time?: Seconds;
  readonly exp?: Seconds;
  /** The actors, outermost (current) first; at most `actorsMax`. */
  readonly act?: readonly Hop[];
};

/** A deeper delegation is refused, never cut short. */
export const actorsMax = 8;

/** Members of hop 0 that a decision may also need (scope, acr) travel beside the context, not in it. */
export const hopsOf = (context: TokenContext): readonly Hop[] => [context, ...(context.act ?? [])];

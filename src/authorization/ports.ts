import type { Source } from '../core/source.ts';
import type { Millis, PointName, SourceId, TokenId } from '../core/vocabulary.ts';
import type { Scope } from '../http/caller.ts';

export type Change = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

export type ApiToken = {
  readonly id: TokenId;
  /** Who holds it, as the audit names them. */
  readonly actor: string;
  readonly scopes: readonly Scope[];
  readonly sourceId: SourceId;
  /** Set for tokens of scope `point`, and for no others. */
  readonly point?: PointName;
  readonly createdAtMs: Millis;
  /** The token that asked for it, unless that was an admin's: it ends with it. */
  readonly madeBy?: TokenId;
  readonly expiresAtMs?: Millis;
  readonly revokedAtMs?: Millis;
  readonly lastUsedAtMs?: Millis;
};

/** A token and what its holder may cause. */
export type SpeakingToken = ApiToken & { readonly source: Source };

/** SHA-256 over the whole secret: all that is kept of it. */
export type SecretHash = Uint8Array;

export type TokenStore = {
  /**
   * Writes the token, and its source where there is none of that name.
   *
   * @throws Problem `invalid-request` when the point does not exist, `conflict` when the source there is differs in `person`,
   * `unauthenticated` when the token that made it was revoked meanwhile.
   */
  create(token: NewToken, change: Change): Promise<void>;
  /** The one token that the hub is started with: the same secret again changes nothing, another one replaces it. */
  putBootstrap(token: NewToken, change: Change): Promise<BootstrapOutcome>;
  /** By id, ascending, after `after`. Revoked and expired ones are among them. */
  list(page: { readonly after?: string; readonly limit: number }): Promise<readonly ApiToken[]>;
  find(id: TokenId): Promise<ApiToken | undefined>;
  findBySecret(hash: SecretHash): Promise<SpeakingToken | undefined>;
  /** Together with all that it made, and that those made. Announced as `tokens`. Revoking it again changes nothing. `false` when there is no such token. */
  revoke(id: TokenId, change: Change): Promise<boolean>;
  /** Those of the given that are revoked or gone. */
  ended(ids: readonly TokenId[]): Promise<readonly TokenId[]>;
  noteUsed(ids: readonly TokenId[], atMs: Millis): Promise<void>;
};

export type NewToken = Omit<ApiToken, 'revokedAtMs' | 'lastUsedAtMs'> & {
  readonly secretHash: SecretHash;
  /** Whether its source speaks for a person; absent: as the source there is, and a new one does not. */
  readonly person?: boolean;
};

/** `revoked`: this very secret was revoked before, and stays so. */
export type BootstrapOutcome = 'created' | 'unchanged' | 'replaced' | 'revoked';

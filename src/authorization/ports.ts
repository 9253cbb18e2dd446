import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IssuerSettings } from '../core/issuer.ts';
import type { CheckableEntry } from '../core/match.ts';
import type { Source } from '../core/source.ts';
import type { StreamProfile } from '../core/stream.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { ClientId, JsonObject, Millis, PointName, SourceId, TokenId } from '../core/vocabulary.ts';
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

/** How a client proves who it is at the token endpoint. @see OpenID Connect Core 1.0 §9 */
export const clientAuthMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
export type ClientAuthMethod = (typeof clientAuthMethods)[number];

/** A key. @see RFC 7517 §4 */
export type Jwk = JsonObject & { readonly kty: string };
export type ClientJwks = { readonly keys: readonly Jwk[] };

/** Who calls with access tokens, and what they may do. */
export type Client = OwnClient | ExternalClient;

type AnyClient = {
  /** What the hub calls it; one that was revoked is never made again. */
  readonly id: ClientId;
  readonly description?: string;
  /** The most that its tokens can do. */
  readonly scopes: readonly Scope[];
  /** Its tokens are bound to its key (DPoP), or good for nothing. */
  readonly dpopBound: boolean;
  /** What its streams obey. */
  readonly profile?: StreamProfile;
  readonly sourceId: SourceId;
  readonly createdAtMs: Millis;
  readonly revokedAtMs?: Millis;
};

/** A program that gets access tokens from the built-in authorization server, by its id. */
export type OwnClient = AnyClient & {
  readonly kind: 'own';
  readonly authMethod: ClientAuthMethod;
  /** With `private_key_jwt`, and with nothing else. */
  readonly jwks?: ClientJwks;
};

/** Who comes with access tokens of an issuer elsewhere. */
export type ExternalClient = AnyClient & {
  readonly kind: 'external';
  readonly named: ExternalName;
  /** A person at a keyboard, and not a program: then both members of the name are given. */
  readonly person: boolean;
};

/** What the tokens of one client say of it, at least one of the two: both of those given must be equal. */
export type ExternalName = {
  readonly iss: string;
  readonly clientId?: string;
  readonly sub?: string;
};

/** Of one that has a secret this is all that is kept of it. */
export type NewClient = Client & { readonly secretHash?: SecretHash };

/** A client, how it proves who it is, and what it may cause. */
export type SpeakingClient = Client & { readonly secretHash?: SecretHash; readonly source: Source };

export type ClientStore = {
  /**
   * Writes the client, and its source where there is none of that name.
   *
   * @throws Problem `conflict` when there is or was a client of that name, when another one that was not revoked is named
   * the same elsewhere, or when its source differs in `person`; `invalid-request` when its issuer is not trusted.
   */
  create(client: NewClient, change: Change): Promise<void>;
  /** By id, ascending, after `after`. Revoked ones are among them. */
  list(page: { readonly after?: string; readonly limit: number }): Promise<readonly Client[]>;
  find(id: ClientId): Promise<SpeakingClient | undefined>;
  /** Whom a token of an issuer elsewhere names, unless revoked: who is named by both members, else by `sub`, else by the client. */
  findExternal(name: ExternalName): Promise<SpeakingClient | undefined>;
  /**
   * With it its streams are disabled and told so, for good. Announced as `tokens`. Revoking it again changes nothing. `false`
   * when there is no such client.
   */
  revoke(id: ClientId, change: Change): Promise<boolean>;
};

/** Issuers that are believed about who calls the hub. Every change is announced as `tokens`, after its commit. */
export type CallerIssuerStore = {
  /** By URL, ascending, at most `callerIssuersMax`. */
  list(): Promise<readonly IssuerSettings[]>;
  /** Creates or replaces. @throws Problem `conflict` when there are `callerIssuersMax` already. */
  put(settings: IssuerSettings, change: Change): Promise<'created' | 'replaced'>;
  /** `false` when there is none. */
  remove(url: string, change: Change): Promise<boolean>;
};

/** Few are trusted with who commands the hub. */
export const callerIssuersMax = 20;

/** What access tokens of ours are signed with. */
export type AuthorizationKeys = {
  /** As it is at this moment; the first one is made. @throws Problem `invalid-configuration` when it was sealed under another `SECRETS_KEY`. */
  current(): Promise<AuthorizationKey>;
  /** Public ones: those whose tokens may live, and the next one. */
  jwks(): Promise<readonly Jwk[]>;
  /** Calls back when there may be others. */
  onChange(listener: () => void): void;
};

export type AuthorizationKey = { readonly kid: string; readonly privateJwk: Jwk };

/** What was used once and is not good again, for all nodes together. */
export type UsedProofs = {
  /** `false` when it was claimed before and has not expired. Of two who claim the same at once, one succeeds. */
  claim(id: string, expiresAtMs: Millis): Promise<boolean>;
  /** Keeps what was claimed until then. */
  keep(id: string, expiresAtMs: Millis): Promise<void>;
};

/** The token endpoint. Answers the request whole, and never rejects. */
export type TokenEndpoint = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** What is revoked, as this node knows it. */
export type Revocations = {
  /** Every entry that matches now. */
  lookup(context: TokenContext): readonly CheckableEntry[];
  /** Everything committed before the call is known, if it can be read. Never rejects. */
  catchUp(): Promise<void>;
  /** There may be more entries than before. Listeners never throw. */
  onNews(listener: () => void): void;
};

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { IssuerSettings } from '../core/issuer.ts';
import type { Millis, TokenId } from '../core/vocabulary.ts';
import { proofAgeMaxSeconds, proofAheadMaxSeconds } from '../enforcement/dpop-rules.ts';
import type { Access } from '../enforcement/enforcer-access.ts';
import type { Presented } from '../enforcement/enforcer-judge.ts';
import { type CheckedRequest, type Credentials, readCredentials } from '../enforcement/enforcer-request.ts';
import { type Reason, reason, type Refusal } from '../enforcement/refusal.ts';
import type { VerifiedToken } from '../enforcement/token.ts';
import type { AccessTokens, CheckedToken } from '../http/access-token.ts';
import type { FollowedRows } from '../pipeline/ports.ts';
import { type ApiGuard, type ApiGuardOptions, createApiGuard } from './api-guard.ts';
import type { ClientDirectory } from './client-directory.ts';
import { createAccessWatches, type Opened } from './access-watches.ts';
import { authorizationServerOf, pathOf, resourceMetadataUrlOf } from './metadata.ts';
import type { AuthorizationKeys, Revocations, SpeakingClient, UsedProofs } from './ports.ts';
import type { TokenEndings } from './token-endings.ts';
import { callerOf, type Holder, holderOf, idOf } from './token-holder.ts';

/** Of tokens that passed, what a watch must know. More tokens at once, and the feed of the oldest ends. */
const presentedMax = 20_000;
/** As long as a proof can be acceptable, and a little more for clocks that differ. */
const proofRememberedMs = (proofAgeMaxSeconds + proofAheadMaxSeconds + 10) * 1_000;

export type AccessTokensOptions = Omit<ApiGuardOptions, 'issuer'> & {
  /** Who the hub is. Known as soon as it listens. */
  readonly issuer: () => string;
  readonly revocations: Revocations;
  readonly clients: ClientDirectory;
  readonly issuers: Pick<FollowedRows<IssuerSettings>, 'all' | 'onRead'>;
  readonly keys: AuthorizationKeys;
  readonly used: UsedProofs;
  readonly announcer: Parameters<typeof createAccessWatches>[0]['announcer'];
  readonly onError: (error: unknown) => void;
};

/** What a request came with, whose token was verified. */
type Verified = { readonly credentials: Credentials; readonly token: VerifiedToken };

/**
 * Callers with access tokens, of the built-in authorization server or of issuers that are trusted with who calls the
 * hub. The hub guards itself by the checks of its own
 * library, against its own live set, and ends what a token opened when the token ends.
 *
 * @see RFC 9068 §4, RFC 9449 §7, CAEP interoperability §2.7.3
 */
export function createAccessTokens(
  options: AccessTokensOptions,
): AccessTokens & Pick<TokenEndings, 'onTokenEnded' | 'close'> {
  const { issuer, issuers, revocations, clients, used } = options;
  const opened = new LRUCache<TokenId, Opened>({ max: presentedMax });
  const admitted = new WeakMap<VerifiedToken, Presented>();
  let made: ApiGuard | undefined;
  const guard = (): ApiGuard => (made ??= makeGuard());

  function makeGuard(): ApiGuard {
    const onAdmitted = (it: Presented): void => void admitted.set(it.token, it);
    const apiGuard = createApiGuard({ ...options, issuer: issuer(), onAdmitted });
    apiGuard.trust(issuers.all());
    return apiGuard;
  }

  async function admit(access: Access, presented: Verified, holder: Holder): Promise<CheckedToken> {
    const { token, credentials } = presented;
    const { actor } = holder;
    const refuse = (why: Reason): CheckedToken => ({
      kind: 'refused',
      actor,
      refusal: guard().refuse(why, credentials),
    });
    if (holder.kind === 'nobody') return refuse(holder.why);
    if (token.scopes.length === 0) return refuse(saysNoScope(holder.client));
    if (!(await isFirstUse(credentials, used, options.clock.nowMs()))) {
      return refuse(reason('proof-replayed'));
    }
    const id = idOf(token);
    const known = admitted.get(token);
    if (known !== undefined) opened.set(id, { presented: known, client: holder.client.id });
    const caller = callerOf(holder, token, { id, scopes: access.scopes });
    return { kind: 'known', caller, headers: access.headers };
  }

  async function check(asked: CheckedRequest): Promise<CheckedToken> {
    const request = { ...asked, url: pathOf(issuer()) + asked.url };
    const { tokens, check: judge, refuse } = guard();
    const credentials = readCredentials(request);
    if (credentials.kind === 'reason') return turnedAway(refuse(credentials));
    const token = await tokens.verify(credentials.token);
    if (token.kind === 'reason') return turnedAway(refuse(token, credentials));
    // Nobody who holds a token is told of a time before their own kill.
    await revocations.catchUp();
    const outcome = await judge(request);
    const holder = await holderOf(token, authorizationServerOf(issuer()), clients);
    if (outcome.kind === 'access') return admit(outcome, { credentials, token }, holder);
    return { kind: 'refused', refusal: outcome, actor: holder.actor };
  }

  const watches = createAccessWatches({
    ...options,
    find: (id) => opened.get(id),
    isRefused: (it) => guard().isRefused(it),
  });
  issuers.onRead(() => {
    made?.trust(issuers.all());
    watches.endRefused();
  });
  options.keys.onChange(() => {
    void made?.reloadOwnKeys().then(watches.endRefused);
  });
  return {
    check,
    resourceMetadataUrl: () => resourceMetadataUrlOf(issuer()),
    onTokenEnded: watches.onTokenEnded,
    close: watches.close,
  };
}

/** Not by name: what a token says that was not verified is nobody's word. */
function turnedAway(refusal: Refusal): CheckedToken {
  const isStranger = refusal.code === 'malformed-token' || refusal.code === 'unknown-issuer';
  return { kind: isStranger ? 'stranger' : 'refused', refusal };
}

/**
 * RFC 9068 leaves it to the issuer whether a token has `scope`. Without one it grants nothing here: what a client may do is
 * for its registration to allow and for its token to ask.
 *
 * @see RFC 9068 §2.2.3, RFC 6750 §3.1
 */
const saysNoScope = ({ scopes }: SpeakingClient): Reason =>
  reason('insufficient-scope', {
    text: 'The access token has no scope (scope, scp) and hence grants nothing: have its issuer say what it is for.',
    scope: scopes.join(' '),
  });

/**
 * A proof was verified and is remembered by this process; this asks for all nodes. By its signed part: of one proof
 * there may be several signatures that verify.
 */
async function isFirstUse(
  { scheme, proofs: [proof = ''] }: Credentials,
  used: UsedProofs,
  nowMs: Millis,
): Promise<boolean> {
  if (scheme !== 'DPoP') return true;
  const signed = proof.trim().split('.').slice(0, 2).join('.');
  const id = createHash('sha256').update(signed).digest('base64url');
  return used.claim(`api ${id}`, nowMs + proofRememberedMs);
}

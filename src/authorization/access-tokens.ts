import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { clientId, tokenId, type Millis, type TokenId } from '../core/vocabulary.ts';
import { proofAgeMaxSeconds, proofAheadMaxSeconds } from '../enforcement/dpop-rules.ts';
import type { Access } from '../enforcement/enforcer-access.ts';
import type { Presented } from '../enforcement/enforcer-judge.ts';
import { type CheckedRequest, readCredentials } from '../enforcement/enforcer-request.ts';
import { reason, type Refusal } from '../enforcement/refusal.ts';
import type { VerifiedToken } from '../enforcement/token.ts';
import type { AccessTokens, CheckedToken } from '../http/access-token.ts';
import type { Caller } from '../http/caller.ts';
import { type ApiGuard, type ApiGuardOptions, createApiGuard } from './api-guard.ts';
import type { ClientDirectory } from './client-directory.ts';
import { createAccessWatches } from './access-watches.ts';
import { pathOf, resourceMetadataUrlOf } from './metadata.ts';
import type { Revocations, SpeakingClient, UsedProofs } from './ports.ts';
import type { TokenEndings } from './token-endings.ts';

/** Of tokens that passed, what a watch must know. More tokens at once, and the feed of the oldest ends. */
const presentedMax = 20_000;
/** As long as a proof can be acceptable, and a little more for clocks that differ. */
const proofRememberedMs = (proofAgeMaxSeconds + proofAheadMaxSeconds + 10) * 1_000;

export type AccessTokensOptions = Omit<ApiGuardOptions, 'issuer'> & {
  /** Who the hub is. Known as soon as it listens. */
  readonly issuer: () => string;
  readonly revocations: Revocations;
  readonly clients: ClientDirectory;
  readonly used: UsedProofs;
  readonly announcer: Parameters<typeof createAccessWatches>[0]['announcer'];
  readonly onError: (error: unknown) => void;
};

/**
 * Callers with access tokens of the built-in authorization server. The hub guards itself by the checks of its own
 * library, against its own live set, and ends what a token opened when the token ends.
 *
 * @see RFC 9068 §4, RFC 9449 §7, CAEP interoperability §2.7.3
 */
export function createAccessTokens(
  options: AccessTokensOptions,
): AccessTokens & Pick<TokenEndings, 'onTokenEnded' | 'close'> {
  const { issuer, revocations, clients, used } = options;
  const presented = new LRUCache<TokenId, Presented>({ max: presentedMax });
  let made: ApiGuard | undefined;
  const guard = (): ApiGuard => (made ??= createApiGuard({ ...options, issuer: issuer(), onAdmitted }));

  function onAdmitted(it: Presented): void {
    presented.set(idOf(it.token), it);
  }

  async function admit(access: Access, request: CheckedRequest, token: VerifiedToken): Promise<CheckedToken> {
    const actor = actorOf(token);
    const client = await clients.findLiving(clientId(token.context.client_id ?? ''));
    if (client === undefined)
      return { kind: 'refused', actor, refusal: guard().refuse(clientRevoked, token) };
    if (!(await isFirstUse(request, used, options.clock.nowMs()))) {
      return { kind: 'refused', actor, refusal: guard().refuse(reason('proof-replayed'), token) };
    }
    return { kind: 'known', caller: callerOf(access, token, client), headers: access.headers };
  }

  async function check(asked: CheckedRequest): Promise<CheckedToken> {
    const request = { ...asked, url: pathOf(issuer()) + asked.url };
    const { tokens, check: judge } = guard();
    const credentials = readCredentials(request);
    const token = credentials.kind === 'credentials' ? await tokens.verify(credentials.token) : undefined;
    // Nobody who holds a token is told of a time before their own kill.
    if (token?.kind === 'verified') await revocations.catchUp();
    const outcome = await judge(request);
    if (outcome.kind === 'access' && token?.kind === 'verified') return admit(outcome, request, token);
    if (outcome.kind === 'access') throw new Error('a request passed without a token');
    const isStranger = outcome.code === 'malformed-token' || outcome.code === 'unknown-issuer';
    return isStranger ? { kind: 'stranger', refusal: outcome } : refused(outcome, token);
  }

  const watches = createAccessWatches({
    ...options,
    find: (id) => presented.get(id),
    isRefused: (it) => guard().isRefused(it),
  });
  return {
    check,
    resourceMetadataUrl: () => resourceMetadataUrlOf(issuer()),
    onTokenEnded: watches.onTokenEnded,
    close: watches.close,
  };
}

/** What no id of an API token begins with. */
const idPrefix = 'at_';

export const isAccessTokenId = (id: TokenId): boolean => id.startsWith(idPrefix);

const idOf = ({ sha256 }: VerifiedToken): TokenId => tokenId(idPrefix + sha256);

const actorOf = ({ context }: VerifiedToken): string => `client:${context.client_id ?? ''}`;

const clientRevoked = reason('revoked', { retry: 'never', text: 'The client was revoked.' });

/** By its name only when the token is what it says: what an unverified one says is nobody's word. */
function refused(refusal: Refusal, token: { readonly kind: string } | undefined): CheckedToken {
  if (token?.kind !== 'verified') return { kind: 'refused', refusal };
  return { kind: 'refused', refusal, actor: actorOf(token as VerifiedToken) };
}

/** Only scopes that are known, that the client still has, and that nothing restricts at this moment. */
function callerOf({ scopes }: Access, token: VerifiedToken, client: SpeakingClient): Caller {
  return {
    tokenId: idOf(token),
    actor: actorOf(token),
    scopes: new Set(client.scopes.filter((scope) => scopes.includes(scope))),
    source: client.source,
    expiresAtMs: token.expiresAtMs,
  };
}

/**
 * A proof was verified and is remembered by this process; this asks for all nodes. By its signed part: of one proof
 * there may be several signatures that verify.
 */
async function isFirstUse(request: CheckedRequest, used: UsedProofs, nowMs: Millis): Promise<boolean> {
  const credentials = readCredentials(request);
  if (credentials.kind !== 'credentials' || credentials.scheme !== 'DPoP') return true;
  const [proof = ''] = credentials.proofs;
  const signed = proof.trim().split('.').slice(0, 2).join('.');
  const id = createHash('sha256').update(signed).digest('base64url');
  return used.claim(`api ${id}`, nowMs + proofRememberedMs);
}

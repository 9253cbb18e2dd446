import type { IssuerSettings } from '../core/issuer.ts';
import { createProofVerifier } from '../enforcement/dpop.ts';
import { type Access, AdmittedRequest } from '../enforcement/enforcer-access.ts';
import { createAnswers } from '../enforcement/enforcer-answers.ts';
import { createChecker } from '../enforcement/enforcer-checker.ts';
import { createJudge, type Presented, type Route } from '../enforcement/enforcer-judge.ts';
import type { CheckedRequest, Credentials } from '../enforcement/enforcer-request.ts';
import type { Clock } from '../enforcement/feed-types.ts';
import { createNonces } from '../enforcement/nonce.ts';
import { createRates } from '../enforcement/obligations-rate.ts';
import type { Reason, Refusal } from '../enforcement/refusal.ts';
import { createTokenVerifier, type TokenVerifier } from '../enforcement/token.ts';
import { accessTokenSettings } from './access-token-settings.ts';
import type { FetchIssuerKeys } from './fetch-issuer-keys.ts';
import type { DeriveKey } from './keyring.ts';
import { resourceMetadataUrlOf } from './metadata.ts';
import { thoseNamingTheCaller } from './own-revocations.ts';
import type { AuthorizationKeys, Revocations } from './ports.ts';

export type ApiGuardOptions = {
  /** Who the hub is: the audience of its access tokens; DPoP proofs are for URLs that begin with it. */
  readonly issuer: string;
  /** Of the built-in authorization server. */
  readonly keys: Pick<AuthorizationKeys, 'jwks'>;
  readonly fetchIssuerKeys: FetchIssuerKeys;
  /** The keys of an issuer cannot be had: those that are known are used on for `keySetStaleMaxMs`. */
  readonly onNoKeys: (issuer: string, cause: unknown) => void;
  readonly revocations: Pick<Revocations, 'lookup'>;
  readonly deriveKey: DeriveKey;
  readonly clock: Clock;
};

/** The checks of the library, put together for the hub's own API. */
export type ApiGuard = {
  readonly tokens: TokenVerifier;
  readonly check: (request: CheckedRequest) => Promise<Access | Refusal>;
  /** The answer to a request that is not to be judged, or that passed and may go no further. */
  readonly refuse: (why: Reason, used?: Pick<Credentials, 'scheme'>) => Refusal;
  /** Whether what was let pass would be refused now. */
  readonly isRefused: (presented: Presented) => boolean;
  /** Our own keys changed. */
  readonly reloadOwnKeys: () => Promise<void>;
  /** Whose tokens are taken beside our own from now on. */
  readonly trust: (issuers: readonly IssuerSettings[]) => void;
};

/** A bound token needs its proof, and one that is not bound is taken. What is not known now is answered from what is. */
const route: Route = {
  class: { posture: { fail_open: true }, withoutSnapshot: 'posture', binding: 'optional' },
  scope: [],
  nonce: false,
};

export function createApiGuard(
  options: ApiGuardOptions & { readonly onAdmitted: (presented: Presented) => void },
): ApiGuard {
  const { issuer, revocations, clock } = options;
  const own = accessTokenSettings(issuer);
  const tokens = createTokenVerifier({
    audience: issuer,
    clock,
    fetchKeys: (of) => (of.url === own.url ? options.keys.jwks() : options.fetchIssuerKeys(of)),
    onTrouble: options.onNoKeys,
  });
  const nonces = createNonces({ clock });
  nonces.useKeys([sharedNonceKey(options.deriveKey)]);
  const proofs = createProofVerifier({ origin: new URL(issuer).origin, clock, nonces });
  const judge = createJudge({
    knowledge: {
      lookup: (context) => thoseNamingTheCaller(revocations.lookup(context)),
      freshness: () => ({ staleMs: 0, hasSet: true }),
    },
    rates: createRates({ clock, replicas: 1 }),
    nowSeconds: () => Math.floor(clock.nowMs() / 1_000),
  });
  const answers = createAnswers({
    proofs,
    nonces,
    resourceMetadata: resourceMetadataUrlOf(issuer),
    onRefused: () => undefined,
  });
  const checker = createChecker({
    tokens,
    proofs,
    nonces,
    judge,
    answers,
    admission: {
      admit(presented, _scheme, headers) {
        const { token } = presented;
        options.onAdmitted(presented);
        const obligations = () => judge.demands(token).obligations;
        return new AdmittedRequest({ token, obligations, headers, onClose: () => undefined });
      },
      letPass: () => undefined,
    },
    onAdmitted: () => undefined,
  });
  return {
    tokens,
    check: (request) => checker.check(request, route),
    refuse: (why, used) => answers.refusalOf({ reason: why, ...(used && { scheme: used.scheme }) }, route),
    isRefused: (presented) =>
      !tokens.stands(presented.token) || judge.continue(presented).reason !== undefined,
    reloadOwnKeys: () => tokens.reloadKeys(own.url),
    // Whatever is trusted, it is never a word on behalf of our own authorization server.
    trust: (issuers) => tokens.accept([...issuers.filter(({ url }) => url !== own.url), own]),
  };
}

/** Every node takes the nonces of every other; it need not change, for the time is part of each nonce. */
const sharedNonceKey = (deriveKey: DeriveKey) => ({
  kid: 'api',
  key: deriveKey('api-nonces').toString('base64url'),
  from: 0,
  until: Number.MAX_SAFE_INTEGER,
});

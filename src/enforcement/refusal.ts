import { randomUUID } from 'node:crypto';
import type { Seconds } from '../core/vocabulary.ts';
import { type ChallengeSettings, challenge } from './challenges.ts';

/** `never`: not with this client, subject or key. `new-token`: get one. `later`: the same token may do, see `code`. */
export type Retry = 'never' | 'new-token' | 'later';

type RefusalKind = {
  readonly status: 400 | 401 | 403 | 429 | 503;
  /** The registered OAuth error code; absent: a challenge without error, or none at all. */
  readonly error?: string;
  readonly retry: Retry;
  readonly text: string;
};

const invalidToken = { status: 401, error: 'invalid_token', retry: 'new-token' } as const;
const invalidProof = { status: 401, error: 'invalid_dpop_proof', retry: 'later' } as const;

/**
 * Every refusal there is. Texts are fixed, or made of our own settings: nothing of a token is ever echoed.
 *
 * @see RFC 6750 §3.1, RFC 9449 §7.1, RFC 9470 §3
 */
const kinds = {
  'no-credentials': { status: 401, retry: 'new-token', text: 'This resource asks for an access token.' },
  'ambiguous-credentials': {
    status: 400,
    error: 'invalid_request',
    retry: 'never',
    text: 'The access token is to be sent once, in one Authorization header.',
  },
  'malformed-token': { ...invalidToken, text: 'The access token is not a JWT of acceptable size.' },
  'unknown-issuer': { ...invalidToken, text: 'The access token is of an issuer that is not accepted here.' },
  'invalid-token': { ...invalidToken, text: 'The access token is not valid.' },
  'expired-token': { ...invalidToken, text: 'The access token has expired.' },
  'not-an-access-token': { ...invalidToken, text: 'This JWT is not an access token.' },
  'bound-token-as-bearer': {
    ...invalidToken,
    retry: 'later',
    text: 'The access token is bound to a key: send it with the DPoP scheme and a proof.',
  },
  'unbound-token': {
    ...invalidToken,
    text: 'This resource asks for an access token that is bound to a key.',
  },
  'unsupported-binding': {
    ...invalidToken,
    text: 'The access token is bound in a way that is not supported here.',
  },
  'invalid-proof': { ...invalidProof, text: 'The DPoP proof is not valid.' },
  'proof-replayed': { ...invalidProof, text: 'This DPoP proof was used before: make one for each request.' },
  'wrong-key': { ...invalidToken, retry: 'never', text: 'The access token is bound to another key.' },
  'nonce-required': {
    status: 401,
    error: 'use_dpop_nonce',
    retry: 'later',
    text: 'Repeat the request with the nonce given in DPoP-Nonce.',
  },
  revoked: { ...invalidToken, text: 'The access token was revoked.' },
  'step-up-required': {
    status: 401,
    error: 'insufficient_user_authentication',
    retry: 'new-token',
    text: 'A more recent or a stronger authentication is required.',
  },
  'insufficient-scope': {
    status: 403,
    error: 'insufficient_scope',
    retry: 'new-token',
    text: 'The access token does not carry the scope that this resource asks for.',
  },
  restricted: {
    status: 403,
    error: 'insufficient_scope',
    retry: 'later',
    text: 'What this agent may do is restricted for now; this request is outside of it.',
  },
  'rate-limited': { status: 429, retry: 'later', text: 'The rate of this agent is restricted for now.' },
  'knowledge-stale': {
    status: 503,
    retry: 'later',
    text: 'What is revoked is not known well enough at the moment to let this request through.',
  },
  'keys-unavailable': {
    status: 503,
    retry: 'later',
    text: 'The keys of the issuer cannot be had at the moment.',
  },
  'replay-memory-full': {
    status: 503,
    retry: 'later',
    text: 'No further proof can be remembered at the moment.',
  },
} as const satisfies Record<string, RefusalKind>;

export type RefusalCode = keyof typeof kinds;
export const refusalCodes = Object.keys(kinds) as readonly RefusalCode[];

/** Why a request is refused, before it has an answer. */
export type Reason = {
  readonly kind: 'reason';
  readonly code: RefusalCode;
  /** Says more than the code's own text; fixed words and our own settings only. */
  readonly text?: string;
  readonly retry?: Retry;
  readonly revocationId?: string;
  /** A token issued after this second will do. */
  readonly issuedAfter?: Seconds;
  readonly retryAfterSeconds?: Seconds;
  /** Space-separated scope that would do. */
  readonly scope?: string;
  readonly acrValues?: readonly string[];
  readonly maxAge?: Seconds;
  /** The key that signed a whole proof for a token bound to another key. */
  readonly presentedJkt?: string;
};

export const reason = (code: RefusalCode, more: Omit<Reason, 'kind' | 'code'> = {}): Reason => ({
  kind: 'reason',
  code,
  ...more,
});

/** An answer to a request that may not pass: status, headers and a body that an agent can act on. */
export type Refusal = {
  readonly kind: 'refusal';
  readonly status: number;
  readonly code: RefusalCode;
  readonly decisionId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: RefusalBody;
  /** The revocation that decided. */
  readonly revocationId?: string;
};

/** JSON, `application/json`. `issued_after`: seconds; a token issued later than that will do. */
export type RefusalBody = {
  readonly code: RefusalCode;
  readonly text: string;
  readonly retry: Retry;
  readonly decision_id: string;
  readonly issued_after?: Seconds;
};

/** The exact answer to give. `settings` say what the challenge offers, `nonce` is a fresh one. */
export function refusalFor(
  why: Reason,
  { settings, nonce }: { readonly settings: ChallengeSettings; readonly nonce?: string },
): Refusal {
  const kind: RefusalKind = kinds[why.code];
  const decisionId = newDecisionId();
  const text = why.text ?? kind.text;
  const retryAfter = why.retryAfterSeconds ?? (kind.status === 503 ? retryAfterDefaultSeconds : undefined);
  const challenged = kind.status === 401 || kind.error !== undefined;
  return {
    kind: 'refusal',
    status: kind.status,
    code: why.code,
    decisionId,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(challenged && { 'www-authenticate': challenge({ ...why, error: kind.error, text }, settings) }),
      ...(nonce !== undefined && { 'dpop-nonce': nonce }),
      ...(retryAfter !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
      'access-control-expose-headers': 'DPoP-Nonce, WWW-Authenticate',
    },
    body: {
      code: why.code,
      text,
      retry: why.retry ?? kind.retry,
      decision_id: decisionId,
      ...(why.issuedAfter !== undefined && { issued_after: why.issuedAfter }),
    },
    ...(why.revocationId !== undefined && { revocationId: why.revocationId }),
  };
}

export const newDecisionId = (): string => `dec_${randomUUID()}`;

const retryAfterDefaultSeconds = 2;

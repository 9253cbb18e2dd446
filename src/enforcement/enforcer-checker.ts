import type { Scheme } from './challenges.ts';
import type { ProofVerifier } from './dpop.ts';
import type { Access } from './enforcer-access.ts';
import type { Admission } from './enforcer-admission.ts';
import type { Answers, Denied } from './enforcer-answers.ts';
import type { Judge, Route } from './enforcer-judge.ts';
import { type CheckedRequest, type Credentials, readCredentials } from './enforcer-request.ts';
import { nonceLifeSeconds, type Nonces } from './nonce.ts';
import { type Reason, reason, type Refusal } from './refusal.ts';
import type { TokenVerifier, VerifiedToken } from './token.ts';

export type Checker = {
  readonly check: (request: CheckedRequest, route: Route) => Promise<Access | Refusal>;
  /** The same request at a further guard: its proof, good once, is not asked for again. Both accesses can cut it. */
  readonly checkAgain: (access: Access, route: Route) => Access | Refusal;
};

/** A request whose token was verified, and whose proof was if it came with one. */
type Proven = {
  readonly kind: 'proven';
  readonly request: CheckedRequest;
  readonly credentials: Credentials;
  readonly token: VerifiedToken;
  readonly hasProof: boolean;
  /** Seconds since we issued the nonce in the proof. */
  readonly nonceAge: number | undefined;
};
type NotProven = Denied & { readonly kind: 'denied' };

/** Credentials, token, binding, then what is known of them: each step only when the one before it held. */
export function createChecker(parts: {
  readonly tokens: TokenVerifier;
  readonly proofs: ProofVerifier;
  readonly nonces: Nonces;
  readonly judge: Judge;
  readonly answers: Answers;
  readonly admission: Admission;
  readonly onAdmitted: (token: VerifiedToken) => void;
}): Checker {
  const { tokens, proofs, judge, answers, admission } = parts;
  const provenBy = new WeakMap<Access, Proven>();

  function refuse(denied: Denied, route: Route): Access | Refusal {
    const refusal = answers.refusalOf(denied, route);
    answers.tell(refusal, denied);
    return admission.letPass(refusal, denied.token) ?? refusal;
  }

  function judgeAndAdmit(proven: Proven, route: Route, judging: Judge['start']): Access | Refusal {
    const { token, request, credentials, hasProof, nonceAge } = proven;
    const hasNonce = nonceAge !== undefined;
    const presented = { token, route, method: request.method, hasProof, hasNonce };
    const verdict = judging(presented);
    if (verdict.reason) {
      const { scheme } = credentials;
      return refuse({ reason: verdict.reason, scheme, token, verdict, address: request.address }, route);
    }
    const access = admission.admit(presented, credentials.scheme, nextNonce(nonceAge, parts.nonces));
    provenBy.set(access, proven);
    return access;
  }

  return {
    async check(request, route) {
      const { address } = request;
      const credentials = readCredentials(request);
      if (credentials.kind === 'reason') return refuse({ reason: credentials, address }, route);
      const { scheme } = credentials;
      const known = tokens.verify(credentials.token);
      const token = known instanceof Promise ? await known : known;
      if (token.kind === 'reason') return refuse({ reason: token, scheme, address }, route);
      const proven = prove({ request, credentials, token }, route, proofs);
      if (proven.kind === 'denied') return refuse(proven, route);
      const outcome = judgeAndAdmit(proven, route, judge.start);
      if (outcome.kind === 'access') parts.onAdmitted(token);
      return outcome;
    },
    checkAgain(access, route) {
      const before = provenBy.get(access);
      if (!before) return access;
      const proven = before.hasProof ? withNonce(before, route) : prove(before, route, proofs);
      return proven.kind === 'denied'
        ? refuse(proven, route)
        : judgeAndAdmit(proven, route, judge.startAgain);
    },
  };
}

/** What the class of the route says of binding, and the proof. @see RFC 9449 §7.1, §7.2 */
function prove(
  found: Pick<Proven, 'request' | 'credentials' | 'token'>,
  route: Route,
  proofs: ProofVerifier,
): Proven | NotProven {
  const { credentials, token, request } = found;
  const { binding } = token;
  const rule = route.class.binding;
  const proven = (hasProof: boolean, nonceAge?: number): Proven => {
    return { kind: 'proven', request, credentials, token, hasProof, nonceAge };
  };
  if (rule === 'none' && credentials.scheme === 'Bearer') return proven(false);
  if (binding.kind === 'unsupported')
    return denied(found, reason('unsupported-binding', { text: binding.text }));
  if (binding.kind === 'none') {
    const accepted = rule === 'optional' && credentials.scheme === 'Bearer';
    return accepted ? proven(false) : denied(found, reason('unbound-token'));
  }
  if (credentials.scheme === 'Bearer') return denied(found, reason('bound-token-as-bearer'));
  const proof = proofs.verify({
    fields: credentials.proofs,
    method: request.method,
    target: request.url,
    jkt: binding.jkt,
    tokenSha256: token.sha256,
    nonceRequired: route.nonce,
  });
  if (proof.kind === 'reason') return denied(found, proof);
  return proven(true, proof.nonceAge);
}

const withNonce = (proven: Proven, route: Route): Proven | NotProven =>
  route.nonce && proven.nonceAge === undefined ? denied(proven, reason('nonce-required')) : proven;

function denied(
  { token, credentials, request }: Pick<Proven, 'request' | 'credentials' | 'token'>,
  why: Reason,
): NotProven {
  const scheme: Scheme = credentials.scheme;
  return { kind: 'denied', reason: why, token, scheme, address: request.address };
}

/** RFC 9449 §8.2: a nonce that is half used up is replaced with the response, which then must not be cached. */
function nextNonce(nonceAge: number | undefined, nonces: Nonces): Access['headers'] {
  if (nonceAge === undefined || nonceAge < nonceLifeSeconds / 2) return noHeaders;
  return { 'dpop-nonce': nonces.issue(), 'cache-control': 'no-store' };
}

const noHeaders: Access['headers'] = Object.freeze({});

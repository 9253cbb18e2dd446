import type { Scheme } from './challenges.ts';
import type { ProofVerifier } from './dpop.ts';
import type { Route, Verdict } from './enforcer-judge.ts';
import type { Nonces } from './nonce.ts';
import { type Reason, type Refusal, refusalFor } from './refusal.ts';
import type { VerifiedToken } from './token.ts';
import { algorithmNames } from './token-signatures.ts';

/** A request that may not pass, and what is known of it. */
export type Denied = {
  readonly reason: Reason;
  readonly scheme?: Scheme;
  /** Only when it was verified: what an unverified one says is nobody's word. */
  readonly token?: VerifiedToken;
  readonly verdict?: Verdict;
  readonly address?: string | undefined;
};

export type Answers = {
  /** The exact answer. */
  readonly refusalOf: (denied: Denied, route: Route) => Refusal;
  /** For the hub and the owner, once it is in force. Never throws. */
  readonly tell: (refusal: Refusal, denied: Denied) => void;
};

export function createAnswers(options: {
  readonly proofs: Pick<ProofVerifier, 'demandNonce'>;
  readonly nonces: Nonces;
  readonly resourceMetadata: string | undefined;
  readonly onRefused: (refusal: Refusal, denied: Denied) => void;
}): Answers {
  const { proofs, nonces, resourceMetadata } = options;
  return {
    refusalOf({ reason, scheme, token }, route) {
      const needsNonce = reason.code === 'nonce-required';
      if (needsNonce && token?.context.jkt !== undefined) proofs.demandNonce(token.context.jkt);
      return refusalFor(reason, {
        settings: {
          schemes: route.class.binding === 'required' ? ['DPoP'] : ['DPoP', 'Bearer'],
          algorithms: algorithmNames,
          ...(scheme && { used: scheme }),
          ...(resourceMetadata !== undefined && { resourceMetadata }),
        },
        ...(needsNonce && { nonce: nonces.issue() }),
      });
    },
    tell: options.onRefused,
  };
}

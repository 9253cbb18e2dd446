import type { CheckableEntry } from '../core/match.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { Seconds } from '../core/vocabulary.ts';
import { type Demands, demandsOf, revokedBy, unmetStepUp } from './obligations.ts';
import type { Rates } from './obligations-rate.ts';
import { type Freshness, isSafe, postureRefuses, type RouteClass } from './posture.ts';
import { type Reason, reason } from './refusal.ts';
import type { VerifiedToken } from './token.ts';

/** What is known of revocations here and now: the cache and its feed. */
export type Knowledge = {
  readonly lookup: (context: TokenContext, nowSeconds: Seconds) => readonly CheckableEntry[];
  readonly freshness: () => Freshness;
};

/** How a route is guarded. */
export type Route = {
  readonly class: RouteClass;
  /** What a token must carry. */
  readonly scope: readonly string[];
  /** Proofs need one of our nonces, whatever the token. */
  readonly nonce: boolean;
};

/** A request whose token and proof are good. */
export type Presented = {
  readonly token: VerifiedToken;
  readonly route: Route;
  readonly method: string;
  /** It came with a proof; without one the token is unbound, or somebody in front checks the binding. */
  readonly hasProof: boolean;
  /** The proof carried one of our nonces. */
  readonly hasNonce: boolean;
};

type Case = {
  readonly presented: Presented;
  readonly demands: Demands;
  readonly freshness: Freshness;
  readonly nowSeconds: Seconds;
  readonly rates: Rates;
};

type Judgement = {
  readonly name: string;
  readonly section: string;
  /** Holds for an open request too: when it comes to refuse, the request is cut. */
  readonly whileOpen: boolean;
  /** Uses something up: asked once for a request, however many guards it meets. */
  readonly counts?: true;
  readonly judge: (it: Case) => Reason | undefined;
};

/** In this order; the first that refuses is the answer. What is known to be dead is refused before the posture is asked. */
export const judgements: readonly Judgement[] = [
  {
    name: 'revocation',
    section: 'CAEP 1.0 §3.1',
    whileOpen: true,
    judge: ({ demands }) => revokedBy(demands),
  },
  {
    name: 'posture',
    section: 'DESIGN §8',
    whileOpen: true,
    judge: ({ presented, freshness }) => stalenessRefuses(presented, freshness),
  },
  {
    name: 'step-up',
    section: 'RFC 9470 §3',
    whileOpen: true,
    judge: ({ demands, presented, nowSeconds }) => unmetStepUp(demands, presented.token, nowSeconds),
  },
  {
    name: 'nonce',
    section: 'RFC 9449 §9',
    whileOpen: false,
    judge: ({ demands, presented }) =>
      demands.obligations.requireNonce && !presented.hasNonce ? lacksNonce(presented) : undefined,
  },
  {
    name: 'scope',
    section: 'RFC 6750 §3.1',
    whileOpen: true,
    judge: ({ presented: { route, token } }) =>
      route.scope.every((scope) => token.scopes.includes(scope))
        ? undefined
        : reason('insufficient-scope', { scope: route.scope.join(' ') }),
  },
  {
    name: 'restricted scope',
    section: 'RFC 6750 §3.1',
    whileOpen: true,
    judge: ({ presented: { route }, demands }) => {
      const left = demands.obligations.scope?.split(' ');
      return !left || route.scope.every((scope) => left.includes(scope))
        ? undefined
        : reason('restricted', { scope: left.join(' ') });
    },
  },
  {
    name: 'read-only',
    section: 'RFC 9110 §9.2.1',
    whileOpen: true,
    judge: ({ presented: { method }, demands }) =>
      demands.obligations.readOnly && !isSafe(method)
        ? reason('restricted', { text: 'This agent may only read for now.' })
        : undefined,
  },
  {
    name: 'rate',
    section: 'RFC 6585 §4',
    whileOpen: false,
    counts: true,
    judge: overRate,
  },
];

export type Judge = {
  /** Why a request may not start. */
  readonly start: (presented: Presented) => Verdict;
  /** The same for one that has started, at a further guard. */
  readonly startAgain: (presented: Presented) => Verdict;
  /** Why an open request must end. */
  readonly continue: (presented: Presented) => Verdict;
  /** The same for what time alone changes. */
  readonly posture: (presented: Presented) => Reason | undefined;
  /** What is asked of a token at this moment. */
  readonly demands: (token: VerifiedToken) => Demands;
};
/** `demands` of the same moment; `reason` when it refuses. */
export type Verdict = { readonly demands: Demands; readonly reason?: Reason };

export function createJudge(options: {
  readonly knowledge: Knowledge;
  readonly rates: Rates;
  readonly nowSeconds: () => Seconds;
}): Judge {
  const { knowledge, rates } = options;

  const demands = ({ context }: VerifiedToken, nowSeconds: Seconds): Demands =>
    demandsOf(knowledge.lookup(context, nowSeconds), context, nowSeconds);

  function judge(presented: Presented, rows: readonly Judgement[]): Verdict {
    const nowSeconds = options.nowSeconds();
    const asked = demands(presented.token, nowSeconds);
    const it = { presented, demands: asked, freshness: knowledge.freshness(), nowSeconds, rates };
    for (const row of rows) {
      const refused = row.judge(it);
      if (refused) return { demands: asked, reason: refused };
    }
    return { demands: asked };
  }

  return {
    start: (presented) => judge(presented, judgements),
    startAgain: (presented) => judge(presented, judgementsAgain),
    continue: (presented) => judge(presented, judgementsWhileOpen),
    posture: (presented) => stalenessRefuses(presented, knowledge.freshness()),
    demands: (token) => demands(token, options.nowSeconds()),
  };
}

const judgementsAgain = judgements.filter(({ counts }) => !counts);
const judgementsWhileOpen = judgements.filter(({ whileOpen }) => whileOpen);

const stalenessRefuses = ({ route, method }: Presented, freshness: Freshness): Reason | undefined =>
  postureRefuses(route.class, method, freshness) ? reason('knowledge-stale') : undefined;

/** Without a proof there is nowhere to put a nonce: asking for one would be asked again and again. */
function lacksNonce({ hasProof, token }: Presented): Reason {
  if (hasProof) return reason('nonce-required');
  if (token.binding.kind === 'none') return reason('unbound-token');
  return reason('restricted', {
    retry: 'never',
    text: 'This agent must prove its key with a nonce, for which this route has no place.',
  });
}

function overRate({ demands, rates }: Case): Reason | undefined {
  for (const { id, effect, restrict } of demands.entries) {
    if (effect !== 'restrict' || !restrict?.rate) continue;
    const taken = rates.take(id, restrict.rate.per_minute);
    if (taken !== 'taken') return reason('rate-limited', { revocationId: id, retryAfterSeconds: taken });
  }
  return undefined;
}

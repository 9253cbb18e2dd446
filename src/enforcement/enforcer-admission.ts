import type { Scheme } from './challenges.ts';
import { type Access, AdmittedRequest } from './enforcer-access.ts';
import type { Answers } from './enforcer-answers.ts';
import type { Judge, Presented, Verdict } from './enforcer-judge.ts';
import type { Clock } from './feed-types.ts';
import { nothingDemanded } from './obligations.ts';
import type { OpenRequest, OpenRequests } from './open-requests.ts';
import { type Reason, reason, type Refusal } from './refusal.ts';
import type { VerifiedToken } from './token.ts';

export type Admission = {
  /** Lets a request pass and keeps it in view until it is closed: what would refuse it now, cuts it. */
  readonly admit: (presented: Presented, scheme: Scheme, headers: Access['headers']) => Access;
  /** Report mode only: decided and told, and not held back. */
  readonly letPass: (wouldRefuse: Refusal, token: VerifiedToken | undefined) => Access | undefined;
};

export function createAdmission(parts: {
  readonly judge: Judge;
  readonly answers: Answers;
  readonly open: OpenRequests;
  readonly clock: Clock;
  readonly mode: 'enforce' | 'report';
}): Admission {
  const { judge, answers, open, clock, mode } = parts;

  return {
    admit(presented, scheme, headers) {
      const { token, route } = presented;
      const access = new AdmittedRequest({
        token,
        obligations: () => judge.demands(token).obligations,
        headers,
        onClose: () => open.remove(request),
      });
      const stop = (why: Reason, verdict?: Verdict): void => {
        open.remove(request);
        const denied = { reason: why, scheme, token, ...(verdict && { verdict }) };
        const refusal = answers.refusalOf(denied, route);
        if (mode === 'enforce') access.end(refusal);
        answers.tell(refusal, denied);
      };
      const request: OpenRequest = {
        context: token.context,
        review() {
          const verdict = judge.continue(presented);
          if (verdict.reason) stop(verdict.reason, verdict);
        },
        reviewTime() {
          const expired = token.expiresAtMs <= clock.nowMs();
          const why = expired ? reason('expired-token') : judge.posture(presented);
          if (why) stop(why);
        },
      };
      open.add(request);
      return access;
    },
    letPass(wouldRefuse, token) {
      if (mode === 'enforce') return undefined;
      return new AdmittedRequest({
        token,
        obligations: () => (token ? judge.demands(token) : nothingDemanded).obligations,
        headers: {},
        wouldRefuse,
        onClose: () => undefined,
      });
    },
  };
}

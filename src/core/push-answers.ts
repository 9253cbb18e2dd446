import type { FetchFailure } from './outgoing.ts';

/** What a push led to, as far as anything follows from it. */
export type PushReply = {
  readonly status?: number;
  /** `err` of the answer, if it had one. */
  readonly err?: string;
  /** It has no answer, or not a whole one. */
  readonly failure?: FetchFailure;
  /** `err` of the attempt before. */
  readonly previousErr?: string;
};

export type PushVerdict = 'delivered' | 'rejected' | 'blocked' | 'retry';

export type PushRule = {
  readonly section: string;
  /** From … to, both included. Absent: there was no answer, or whatever it was. */
  readonly statuses?: readonly [number, number];
  readonly errs?: readonly string[];
  readonly previousErrs?: readonly string[];
  readonly failures?: readonly FetchFailure[];
  readonly verdict: PushVerdict;
  /** Retry after so long at the soonest. */
  readonly waitMs?: number;
};

/** A Receiver that does not know our key yet may fetch the key set again after so long. */
export const keyPropagationMs = 60_000;

/**
 * What follows from which answer: the first row that fits. The status line of an answer counts even when the rest of
 * it never came, except where its body decides.
 *
 * - `delivered`: only 202 is as it must be, another 2xx is taken as meant.
 * - `rejected`: this SET is dead, the stream goes on.
 * - `blocked`: credentials or address do not work, says whoever is there; another SET shows whether that holds for all.
 * - `retry`: the same bytes may be taken later. Codes are compared with their case; unknown ones say nothing.
 */
export const pushRules: readonly PushRule[] = [
  { section: 'RFC 8935 §2.2', statuses: [202, 202], verdict: 'delivered' },
  { section: 'RFC 8935 §2.2 (not conformant)', statuses: [200, 299], verdict: 'delivered' },
  { section: 'PUSH-27: no redirects', statuses: [300, 399], verdict: 'blocked' },
  {
    section: 'RFC 8935 §2.3: the body says why',
    statuses: [400, 400],
    failures: ['timeout', 'network', 'tls', 'stopped'],
    verdict: 'retry',
  },
  {
    section: 'RFC 8935 §2.4, twice',
    statuses: [400, 400],
    errs: ['invalid_key'],
    previousErrs: ['invalid_key'],
    verdict: 'rejected',
  },
  {
    section: 'RFC 8935 §2.4, once',
    statuses: [400, 400],
    errs: ['invalid_key'],
    verdict: 'retry',
    waitMs: keyPropagationMs,
  },
  {
    section: 'RFC 8935 §2.4',
    statuses: [400, 400],
    errs: ['authentication_failed', 'access_denied'],
    verdict: 'blocked',
  },
  {
    section: 'RFC 8935 §2.4, SSF 1.0 §8.1.4.1',
    statuses: [400, 400],
    errs: ['invalid_request', 'invalid_issuer', 'invalid_audience', 'invalid_state'],
    verdict: 'rejected',
  },
  { section: 'RFC 8935 §2.4: extensible', statuses: [400, 400], verdict: 'rejected' },
  { section: 'RFC 9110 §15.5.2', statuses: [401, 401], verdict: 'blocked' },
  { section: 'RFC 9110 §15.5.4', statuses: [403, 403], verdict: 'blocked' },
  { section: 'RFC 9110 §15.5.5', statuses: [404, 404], verdict: 'blocked' },
  { section: 'RFC 9110 §15.5.9', statuses: [408, 408], verdict: 'retry' },
  { section: 'RFC 9110 §15.5.11', statuses: [410, 410], verdict: 'blocked' },
  { section: 'RFC 8470 §5.2', statuses: [425, 425], verdict: 'retry' },
  { section: 'RFC 6585 §4', statuses: [429, 429], verdict: 'retry' },
  { section: 'RFC 9110 §15.5', statuses: [400, 499], verdict: 'rejected' },
  { section: 'RFC 9110 §15.6', statuses: [500, 599], verdict: 'retry' },
  { section: 'SEC-08', failures: ['refused-address', 'bad-url', 'bad-header'], verdict: 'blocked' },
  { section: 'RFC 8935 §2, PUSH-25', verdict: 'retry' },
];

export function judgePush(reply: PushReply): PushRule {
  const rule = pushRules.find((candidate) => fits(candidate, reply));
  if (rule === undefined) throw new TypeError('the table lacks a last row');
  return rule;
}

function fits({ statuses, errs, previousErrs, failures }: PushRule, reply: PushReply): boolean {
  const { status = Number.NaN } = reply;
  if (statuses !== undefined && !(status >= statuses[0] && status <= statuses[1])) return false;
  return among(errs, reply.err) && among(previousErrs, reply.previousErr) && among(failures, reply.failure);
}

const among = <T>(accepted: readonly T[] | undefined, value: T | undefined): boolean =>
  accepted === undefined || (value !== undefined && accepted.includes(value));

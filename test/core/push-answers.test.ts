import { describe, expect, it } from 'vitest';
import { fetchFailures } from '../../src/core/outgoing.ts';
import { judgePush, keyPropagationMs, type PushReply, pushRules } from '../../src/core/push-answers.ts';

const answered = (status: number, err?: string, previousErr?: string): PushReply => ({
  status,
  ...(err === undefined ? {} : { err }),
  ...(previousErr === undefined ? {} : { previousErr }),
});

const table: readonly (readonly [PushReply, verdict: string])[] = [
  [answered(202), 'delivered'],
  [answered(200), 'delivered'],
  [answered(204), 'delivered'],
  [answered(299), 'delivered'],
  [{ status: 202, failure: 'too-large' }, 'delivered'],
  [{ status: 202, failure: 'network' }, 'delivered'],
  ...[300, 301, 302, 303, 307, 308, 399].map((status) => [answered(status), 'blocked'] as const),
  ...['invalid_request', 'invalid_issuer', 'invalid_audience', 'invalid_state', 'Invalid_Key', 'else'].map(
    (err) => [answered(400, err), 'rejected'] as const,
  ),
  [answered(400), 'rejected'],
  [{ status: 400, failure: 'too-large' }, 'rejected'],
  [{ status: 400, failure: 'timeout' }, 'retry'],
  [{ status: 400, failure: 'network' }, 'retry'],
  [answered(400, 'invalid_key'), 'retry'],
  [answered(400, 'invalid_key', 'timeout'), 'retry'],
  [answered(400, 'invalid_key', 'invalid_key'), 'rejected'],
  [answered(400, 'authentication_failed'), 'blocked'],
  [answered(400, 'access_denied'), 'blocked'],
  [answered(422, 'access_denied'), 'rejected'],
  ...[401, 403, 404, 410].map((status) => [answered(status), 'blocked'] as const),
  [answered(403, 'invalid_request'), 'blocked'],
  ...[408, 425, 429].map((status) => [answered(status), 'retry'] as const),
  ...[402, 405, 406, 409, 413, 415, 422, 499].map((status) => [answered(status), 'rejected'] as const),
  ...[500, 501, 502, 503, 504, 599].map((status) => [answered(status), 'retry'] as const),
  [answered(500, 'invalid_request'), 'retry'],
  [answered(999), 'retry'],
];

describe('PUSH-25: what follows from an answer', () => {
  it.each(table)('%j: %s', (reply, verdict) => expect(judgePush(reply).verdict).toBe(verdict));

  const verdicts = {
    'bad-url': 'blocked',
    'bad-header': 'blocked',
    'refused-address': 'blocked',
    tls: 'retry',
    timeout: 'retry',
    network: 'retry',
    'too-large': 'retry',
    stopped: 'retry',
  } as const satisfies Record<(typeof fetchFailures)[number], string>;
  it.each(fetchFailures)('no answer because of %s', (failure) => {
    expect(judgePush({ failure }).verdict).toBe(verdicts[failure]);
  });

  it('every row decides something', () => {
    const replies = [...table.map(([reply]) => reply), ...fetchFailures.map((failure) => ({ failure }))];
    expect(new Set(replies.map(judgePush))).toEqual(new Set(pushRules));
  });

  it('RFC 8935 §2.4: a key that is not known yet is given time to become known', () => {
    expect(judgePush(answered(400, 'invalid_key')).waitMs).toBe(keyPropagationMs);
  });
});

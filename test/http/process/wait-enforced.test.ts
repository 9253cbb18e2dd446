import { expect, it, vi } from 'vitest';
import { signalId } from '../../../src/core/vocabulary.ts';
import {
  answerSignal,
  type Enforcement,
  type EnforcementView,
  SignalQuery,
} from '../../../src/http/signal-answer.ts';
import { aServer } from './a-server.ts';

const handled = {
  signalId: signalId('sig_1'),
  duplicate: false,
  outcome: 'applied',
  rule: 'session-revoked',
  policyVersion: '1',
  text: '',
  revocations: [],
  lifted: [],
  agents: [],
  blast: { agents: 0, keys: 0, descendants: 0 },
  warnings: [],
  txn: 'txn_1',
  receivedAtMs: 0,
  lastSeq: 7,
} as const;
const place = { signalId: handled.signalId, lastSeq: handled.lastSeq };
const state = (applied: number): Enforcement => ({
  state: applied === 1 ? 'complete' : 'pending',
  expected: 1,
  applied,
  contained: 0,
  exposed: [],
});

function aDoor() {
  const { app } = aServer();
  const view = {
    atCommit: () => state(0),
    now: async () => state(0),
    wait: vi.fn<EnforcementView['wait']>(async () => state(1)),
  };
  app.post('/', { config: { public: true }, schema: { querystring: SignalQuery } }, async (request, reply) =>
    answerSignal(reply, handled, view, request.query),
  );
  return { view, post: (query: string) => app.inject({ method: 'POST', url: `/?${query}` }) };
}

it('wait=enforced waits for as long as the description says, unless its caller does', async () => {
  const { view, post } = aDoor();
  const described = SignalQuery.properties.timeout_ms as { readonly default?: number };
  const answer = await post('wait=enforced');
  expect(answer.json()).toMatchObject({ enforcement: { state: 'complete' } });
  expect(described.default).toBeGreaterThan(0);
  expect(view.wait).toHaveBeenLastCalledWith(place, described.default, expect.any(AbortSignal));
  await post('wait=enforced&timeout_ms=0');
  expect(view.wait).toHaveBeenLastCalledWith(place, 0, expect.any(AbortSignal));
});

it('without it the answer is how it stands at the commit', async () => {
  const { view, post } = aDoor();
  expect((await post('')).json()).toMatchObject({ enforcement: { state: 'pending' } });
  expect(view.wait).not.toHaveBeenCalled();
});

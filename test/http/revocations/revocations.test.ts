import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const aMatch = () => ({ iss: 'https://idp.example', client_id: randomUUID() });
const order = (body: unknown, query = '') => hub.call('POST', `/v1/revocations${query}`, { body });
const entryOf = (body: Record<string, unknown>) => {
  const [entry] = body['revocations'] as { id: string; position: string }[];
  if (entry === undefined) throw new Error('nothing was put');
  return entry;
};

/** The node that answers may be a moment behind its own commit: it reads the feed like every other. */
async function checkUntil(context: object, effect: string) {
  for (;;) {
    const { body } = await hub.call('POST', '/v1/check', { body: context });
    if (body['effect'] === effect) return body;
  }
}

describe('POST /v1/revocations', () => {
  it('becomes a signal, is shown, denies in /v1/check, and ends with a lift that leaves a cut-off', async () => {
    const match = aMatch();
    const { status, body } = await order({ match, reason: 'contain first' });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      decision: { rule: 'revocation-ordered', outcome: 'applied' },
      revocations: [{ match, effect: 'deny' }],
    });
    const { id } = entryOf(body);
    const shown = await hub.call('GET', `/v1/revocations/${id}`);
    expect(shown.body).toMatchObject({ id, state: 'live', reach: 'chain', signal_id: body['signal_id'] });
    expect(shown.body).not.toHaveProperty('cut_off');
    const now = Math.floor(Date.now() / 1_000);
    const denied = await checkUntil({ ...match, iat: now + 100 }, 'deny');
    expect(denied).toMatchObject({ matched: [id], position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) });
    expect((await hub.call('POST', '/v1/check', { body: aMatch() })).body).toMatchObject({
      effect: 'allow',
      matched: [],
    });

    const lifted = await hub.call('POST', `/v1/revocations/${id}/lift`, { body: { reason: 'false alarm' } });
    expect(lifted.status).toBe(202);
    expect(lifted.body).toMatchObject({
      lifted: [{ id }],
      revocations: [{ effect: 'deny', cut_off: expect.any(Number) }],
    });
    await checkUntil({ ...match, iat: now + 100 }, 'allow');
    expect(await checkUntil({ ...match, iat: now - 100 }, 'deny')).toHaveProperty('issued_after');
    const again = await hub.call('POST', `/v1/revocations/${id}/lift`);
    expect(again.body).toMatchObject({
      status: 409,
      code: 'already-lifted',
      ended_by: lifted.body['signal_id'],
    });
  });

  it('reaches actors, carries obligations, and says them', async () => {
    const match = aMatch();
    await order({ match, effect: 'restrict', restrict: { read_only: true, tools: { deny: ['refund'] } } });
    const body = await checkUntil(
      { iss: 'https://idp.example', sub: 'mara', act: [{ client_id: match.client_id }] },
      'restrict',
    );
    expect(body).toMatchObject({
      obligations: { read_only: true, denied_tools: ['refund'], require_nonce: false },
    });
  });

  it('restoring tokens waits for two persons, and then leaves nothing behind', async () => {
    const match = aMatch();
    const { id } = entryOf((await order({ match })).body);
    const asked = await hub.call('POST', `/v1/revocations/${id}/lift`, { body: { restore_tokens: true } });
    expect(asked.body).toMatchObject({ decision: { outcome: 'held' }, lifted: [] });
    const signal = String(asked.body['signal_id']);
    const release = async (actor: string) => {
      const body = { actor, scopes: ['held.release'], person: true };
      const made = await hub.call('POST', '/v1/tokens', { body });
      return hub.call('POST', `/v1/held/${signal}/release`, { token: String(made.body['token']) });
    };
    expect((await release('mara')).body).toMatchObject({
      held: { state: 'waiting', approvals: [{ actor: 'mara' }] },
    });
    const done = await release('ivo');
    expect(done.body).toMatchObject({
      held: { state: 'released' },
      signal: { lifted: [{ id }], revocations: [] },
    });
    await checkUntil({ ...match, iat: 1 }, 'allow');
  });

  it('with dry_run says what it would do, and does not', async () => {
    const match = aMatch();
    const { status, body } = await order({ match }, '?dry_run=true');
    expect(status).toBe(200);
    expect(body).toMatchObject({ dry_run: true, revocations: [{ effect: 'deny' }] });
    const { body: listed } = await hub.call('GET', `/v1/revocations?client_id=${match.client_id}`);
    expect(listed).toEqual({ items: [], next_cursor: null });
  });

  it('is found by member, agent, state and signal, page by page', async () => {
    const iss = `https://${randomUUID()}.example`;
    const put = [];
    for (let n = 0; n < 3; n++)
      put.push(entryOf((await order({ match: { iss, client_id: `c${n}` } })).body).id);
    const find = async (query: string) => {
      const { body } = await hub.call('GET', `/v1/revocations?${query}`);
      return { ids: (body['items'] as { id: string }[]).map(({ id }) => id), next: body['next_cursor'] };
    };
    const first = await find(`iss=${encodeURIComponent(iss)}&limit=2`);
    expect(first.ids).toEqual([put[2], put[1]]);
    const second = await find(`iss=${encodeURIComponent(iss)}&limit=2&cursor=${String(first.next)}`);
    expect(second).toEqual({ ids: [put[0]], next: null });
    expect((await find(`iss=${encodeURIComponent(iss)}&state=lifted`)).ids).toEqual([]);
    expect((await find(`iss=${encodeURIComponent(iss)}&client_id=c1`)).ids).toEqual([put[1]]);
  });

  it.each([
    ['no match', {}, 'invalid-request', '/match'],
    ['an empty match', { match: {} }, 'empty-match', '/match'],
    ['an unknown member', { match: aMatch(), note: 1 }, 'invalid-request', '/note'],
    ['an unknown effect', { match: aMatch(), effect: 'allow' }, 'invalid-request', '/effect'],
    [
      'a step-up that denies',
      { match: aMatch(), effect: 'deny', step_up: {} },
      'invalid-request',
      '/step_up',
    ],
    [
      'an unknown tool list',
      { match: aMatch(), effect: 'restrict', restrict: { tools: { allow: [] } } },
      'invalid-request',
      '/restrict/tools/deny',
    ],
    [
      'a cut-off that lifts itself',
      { match: aMatch(), cut_off: 'now', lift_after_seconds: 5 },
      'invalid-request',
      '/lift_after_seconds',
    ],
  ])('refuses %s', async (_, body, code, path) => {
    const answered = await order(body);
    expect(answered.body).toMatchObject({ status: 400, code });
    expect((answered.body['errors'] as { path: string }[]).map((error) => error.path)).toContain(path);
  });

  it('an issuer-wide order is held', async () => {
    expect((await order({ match: { iss: 'https://whole.example' } })).body).toMatchObject({
      decision: { outcome: 'held' },
    });
  });
});

describe('POST /v1/check', () => {
  it.each([
    ['a token', { token: 'eyJ' }, '/token'],
    ['no issuer', { client_id: 'x' }, '/iss'],
    ['too many actors', { iss: 'a', act: Array.from({ length: 9 }, () => ({ sub: 'x' })) }, '/act'],
  ])('refuses %s', async (_, body, path) => {
    const answered = await hub.call('POST', '/v1/check', { body });
    expect(answered.body).toMatchObject({ status: 400, code: 'invalid-request' });
    expect((answered.body['errors'] as { path: string }[]).map((error) => error.path)).toContain(path);
  });
});

it('what is not there is 404', async () => {
  expect((await hub.call('GET', '/v1/revocations/rev_none')).status).toBe(404);
  expect((await hub.call('POST', '/v1/revocations/rev_none/lift')).status).toBe(404);
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';

let hub: Hub;
/** Tokens by who holds them; the machine speaks for a source whose every kill is held. */
const tokens: Record<string, string> = {};
beforeAll(async () => {
  hub = await startHub();
  await hub.call('PUT', '/v1/sources/splunk', { body: { kills_per_minute: 0, soft_effect: 'restrict' } });
  const make = async (actor: string, scopes: readonly string[], more: object = {}) => {
    const made = await hub.call('POST', '/v1/tokens', { body: { actor, scopes, ...more } });
    tokens[actor] = String(made.body['token']);
  };
  await make('machine', ['signals.write', 'held.release'], { source: 'splunk' });
  await make('another-machine', ['held.release']);
  await make('mara', ['held.release', 'signals.read'], { person: true });
  await make('reader', ['signals.read']);
});
afterAll(() => hub.stop());

const hold = async () => {
  const subject = { iss: 'https://idp.example', client_id: randomUUID() };
  const body = { event: 'session-revoked', subject };
  const { body: answer } = await hub.call('POST', '/v1/signals', { body, token: tokens['machine']! });
  return { subject, id: String(answer['signal_id']), answer };
};
const release = (id: string, actor: string) =>
  hub.call('POST', `/v1/held/${id}/release`, { token: tokens[actor]! });

describe('DESIGN §9: /v1/held', () => {
  it('shows what waits with its blast radius, and releases it with what it then did', async () => {
    const { id, subject, answer } = await hold();
    expect(answer).toMatchObject({ decision: { outcome: 'held' }, revocations: [{ effect: 'restrict' }] });
    const { items } = (await hub.call('GET', '/v1/held', { token: tokens['reader']! })).body as {
      items: unknown[];
    };
    expect(items).toContainEqual(
      expect.objectContaining({
        code: 'brake',
        state: 'waiting',
        signal: expect.objectContaining({ signal_id: id, blast: { agents: 0, keys: 1, descendants: 0 } }),
      }),
    );
    const { status, body } = await release(id, 'mara');
    expect(status).toBe(202);
    expect(body).toMatchObject({
      held: { state: 'released', decided_by: 'mara', approvals: [{ actor: 'mara' }] },
      signal: {
        signal_id: id,
        decision: { outcome: 'applied' },
        revocations: [{ effect: 'deny', match: subject }],
      },
    });
    expect((await hub.call('GET', `/v1/signals/${id}`)).body).toMatchObject({
      decision: { outcome: 'applied' },
    });
    expect((await release(id, 'mara')).body).toMatchObject({ status: 409, code: 'already-decided' });
  });

  it('is released by no machine and no reader; its maker may discard it', async () => {
    const { id } = await hold();
    for (const machine of ['machine', 'another-machine']) {
      expect((await release(id, machine)).body).toMatchObject({ status: 403, code: 'source-not-allowed' });
    }
    expect((await release(id, 'reader')).status).toBe(403);
    const discarded = await hub.call('POST', `/v1/held/${id}/discard`, { token: tokens['machine']! });
    expect(discarded.body).toMatchObject({ state: 'discarded', decided_by: 'machine' });
    expect((await hub.call('GET', `/v1/held/${id}`)).body).toMatchObject({ state: 'discarded' });
  });

  it('answers 404 for what is not held', async () => {
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/release'],
      ['POST', '/discard'],
    ] as const) {
      expect((await hub.call(method, `/v1/held/sig_none${path}`)).body).toMatchObject({ code: 'not-found' });
    }
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

describe('GET /v1/audit', () => {
  it('200: says who did what by which request', async () => {
    const headers = { 'x-request-id': 'req-77' };
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'splunk', scopes: ['audit.read'] },
      headers,
    });
    const id = String(made.body['id']);
    const { status, body } = await hub.call('GET', `/v1/audit?target=${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      items: [
        { actor: 'admin', action: 'token.created', target: id, outcome: 'done', correlation_id: 'req-77' },
      ],
      next_cursor: null,
    });
  });

  it('200: pages from the newest to the first', async () => {
    const ids: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const path: string = `/v1/audit?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { body } = await hub.call('GET', path);
      for (const { id } of body['items'] as { id: number }[]) ids.push(id);
      cursor = body['next_cursor'] as string | null;
    }
    expect(ids.length).toBeGreaterThan(2);
    expect(ids).toEqual([...ids].sort((one, other) => other - one));
  });

  it.each(['cursor=x', 'limit=0', 'limit=501', 'outcome=maybe', 'actr=a'])('400: %s', async (query) => {
    const { status, body } = await hub.call('GET', `/v1/audit?${query}`);
    expect([status, body['code']]).toEqual([400, 'invalid-request']);
  });

  it('403: without the scope audit.read', async () => {
    const made = await hub.call('POST', '/v1/tokens', { body: { actor: 'r', scopes: ['signals.read'] } });
    expect((await hub.call('GET', '/v1/audit', { token: String(made.body['token']) })).status).toBe(403);
  });
});

describe('GET /v1/audit/verify', () => {
  it('200: the chain is intact, and soon holds every row', async () => {
    await vi.waitFor(
      async () => {
        const { body } = await hub.call('GET', '/v1/audit/verify');
        expect(body).toMatchObject({ intact: true, unchained: 0 });
        expect(Number(body['rows'])).toBeGreaterThan(0);
      },
      { timeout: 5_000 },
    );
  });
});

describe('DESIGN §14: refused attempts are one row per caller, reason and minute', () => {
  it('however often, and they are written when the hub ends', async () => {
    const other = await startHub();
    for (let tries = 0; tries < 5; tries++) await other.call('GET', '/v1/audit', { token: 'chub_guess' });
    await other.call('GET', '/v1/nowhere', { token: null });
    await other.stop('keep');
    const again = await startHub({}, other.dataDir);
    const { body } = await again.call('GET', '/v1/audit?outcome=refused');
    const items = body['items'] as { actor: string; detail: { reason: string; count: number } }[];
    const counts = new Map<string, number>();
    for (const { actor, detail } of items) {
      expect(actor).toBe('address:127.0.0.1');
      counts.set(detail.reason, (counts.get(detail.reason) ?? 0) + detail.count);
    }
    expect(Object.fromEntries(counts)).toEqual({ 'unknown-token': 5, 'no-credentials': 1 });
    // One of each, or two when a minute ended between them.
    expect(items.length).toBeLessThanOrEqual(3);
    await again.stop();
  });
});

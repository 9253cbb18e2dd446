import { expect, it, vi } from 'vitest';
import { createIssuerStore } from '../../src/adapters/postgres/issuer-store.ts';
import { toIssuerSettings } from '../../src/core/issuer-schemas.ts';
import { forEachDatabase } from '../support/databases.ts';

const change = { actor: 'mara', atMs: 1_763_764_000_000 };

forEachDatabase('issuers', (fixture) => {
  const open = () => {
    const announce = vi.fn<(topic: string) => void>();
    return { announce, store: createIssuerStore({ database: fixture.database, announcer: { announce } }) };
  };

  it('gives back what was put, filled from its profile, and announces each change after its commit', async () => {
    const { store, announce } = open();
    const settings = toIssuerSettings({ url: 'https://login.example', profile: 'keycloak', skew: 7 });

    expect(await store.put(settings, change)).toBe('created');
    expect(await store.list()).toEqual([settings]);
    expect(settings).toMatchObject({ client_claims: ['azp', 'client_id'], skew: 7, max_token_life: 86_400 });
    expect(announce.mock.calls).toEqual([['configuration']]);

    expect(await store.put({ ...settings, skew: 9 }, change)).toBe('replaced');
    expect(await store.list()).toEqual([{ ...settings, skew: 9 }]);
    expect(await store.remove(settings.url, change)).toBe(true);
    expect(await store.remove(settings.url, change)).toBe(false);
    expect(await store.list()).toEqual([]);
    expect(announce).toHaveBeenCalledTimes(3);
  });

  it('audits every change in its own transaction', async () => {
    const { rows } = await fixture.database.pool.query<{ action: string; target: string; actor: string }>(
      "SELECT action, target, actor FROM hub.audit_log WHERE action LIKE 'issuer.%' ORDER BY id",
    );
    const target = 'https://login.example';
    expect(rows).toEqual(
      ['issuer.added', 'issuer.replaced', 'issuer.removed'].map((action) => ({
        action,
        target,
        actor: 'mara',
      })),
    );
  });
});

it.each([
  ['not a URL', '/url'],
  ['http://login.example', '/url'],
  ['https://user:pw@login.example', '/url'],
  ['https://login.example/#a', '/url'],
  ['https://login.example?tenant=1', '/url'],
])('RFC 8414 §2: %s is refused as an issuer', (url, path) => {
  expect(() => toIssuerSettings({ url })).toThrow(
    expect.objectContaining({ code: 'invalid-request', errors: [expect.objectContaining({ path })] }),
  );
});

import { describe, expect, it } from 'vitest';
import { createClientStore } from '../../src/adapters/postgres/client-store.ts';
import { createUsedProofs } from '../../src/adapters/postgres/used-proofs.ts';
import type { NewClient } from '../../src/authorization/ports.ts';
import { hashSecret } from '../../src/authorization/token-secret.ts';
import { clientId, sourceId } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';

const atMs = 1_763_764_000_000;
const change = { actor: 'admin', atMs, correlationId: 'req-1' };

type OwnClient = Extract<NewClient, { kind: 'own' }>;
const aClient = (name: string, more: Partial<OwnClient> = {}): OwnClient => ({
  id: clientId(name),
  scopes: ['ssf.read', 'ssf.manage'],
  kind: 'own',
  authMethod: 'client_secret_basic',
  secretHash: hashSecret(`secret of ${name}`),
  dpopBound: false,
  sourceId: sourceId(`source-of-${name}`),
  createdAtMs: atMs,
  ...more,
});

forEachDatabase('clients', (fixture) => {
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const stored = () => createClientStore({ database: fixture.database, announcer });

  it('are found as they were made, with the source they speak for', async () => {
    const { secretHash: _, ...byKey } = aClient('by-key', {
      authMethod: 'private_key_jwt',
      jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] },
      dpopBound: true,
      description: 'a receiver',
      profile: 'caep-interop-1.0-draft-02',
    });
    for (const client of [aClient('a'), byKey]) {
      await stored().create(client, change);
      const found = await stored().find(client.id);
      expect(found).toEqual({
        ...client,
        source: expect.objectContaining({ id: client.sourceId, person: false }),
      });
    }
    expect(await stored().find(clientId('A'))).toBeUndefined();
  });

  it('are audited with their source, and the audit never holds the secret or its hash', async () => {
    await stored().create(aClient('b'), change);
    await stored().revoke(clientId('b'), { ...change, atMs: atMs + 1 });
    const { rows } = await fixture.database.pool.query<{ action: string }>(
      `SELECT action, detail FROM hub.audit_log WHERE target IN ('b', 'source-of-b') ORDER BY id`,
    );
    expect(rows.map(({ action }) => action)).toEqual(['source.added', 'client.created', 'client.revoked']);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(hashSecret('secret of b')).toString('hex'));
  });

  it('have names that are given once, and speak for no person', async () => {
    await stored().create(aClient('once'), change);
    await stored().revoke(clientId('once'), change);
    const taken = { code: 'conflict', errors: [{ path: '/client_id', message: 'is taken' }] };
    await expect(stored().create(aClient('once'), change)).rejects.toMatchObject(taken);
    await fixture.database.pool.query(`UPDATE hub.sources SET person = true WHERE id = 'source-of-once'`);
    const forPerson = aClient('twice', { sourceId: sourceId('source-of-once') });
    await expect(stored().create(forPerson, change)).rejects.toMatchObject({
      code: 'conflict',
      errors: [{ path: '/source' }],
    });
  });

  it('are revoked once, which is announced; who is not there cannot be', async () => {
    await stored().create(aClient('c'), change);
    announced.length = 0;
    expect(await stored().revoke(clientId('c'), { ...change, atMs: atMs + 5 })).toBe(true);
    expect(await stored().revoke(clientId('c'), { ...change, atMs: atMs + 9 })).toBe(true);
    expect(await stored().find(clientId('c'))).toMatchObject({ revokedAtMs: atMs + 5 });
    expect(announced).toContain('tokens');
    expect(await stored().revoke(clientId('nobody'), change)).toBe(false);
  });

  it('are listed by id, page by page, without what proves who they are', async () => {
    const first = await stored().list({ limit: 2 });
    const next = await stored().list({ limit: 100, after: String(first.at(-1)?.id) });
    const ids = [...first, ...next].map(({ id }) => id);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(ids.length);
    expect(first[0]).not.toHaveProperty('secretHash');
  });
});

forEachDatabase('used proofs', (fixture) => {
  let nowMs = atMs;
  const used = () => createUsedProofs({ database: fixture.database, nowMs: () => nowMs });

  describe('RFC 7523 §3, RFC 9449 §11.1: what was used', () => {
    it('is claimed by one of those who come at once', async () => {
      const claims = await Promise.all(Array.from({ length: 8 }, () => used().claim('a', nowMs + 1_000)));
      expect(claims.filter(Boolean)).toHaveLength(1);
    });

    it('is good again only after it expired, which can be put off', async () => {
      expect(await used().claim('b', nowMs + 1_000)).toBe(true);
      nowMs += 999;
      expect(await used().claim('b', nowMs + 1_000)).toBe(false);
      await used().keep('b', nowMs + 5_000);
      nowMs += 1_000;
      expect(await used().claim('b', nowMs + 1_000)).toBe(false);
      nowMs += 4_000;
      expect(await used().claim('b', nowMs + 1_000)).toBe(true);
    });

    it('is swept when it expired, and not before', async () => {
      await used().claim('long', nowMs + 60_000);
      nowMs += 10_000;
      await used().sweep(new AbortController().signal);
      const { rows } = await fixture.database.pool.query('SELECT id FROM hub.used_proofs');
      expect(rows).toEqual([{ id: 'long' }]);
    });
  });
});

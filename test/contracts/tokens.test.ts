import { describe, expect, it } from 'vitest';
import { createTokenStore } from '../../src/adapters/postgres/token-store.ts';
import { createPointStore } from '../../src/adapters/postgres/point-store.ts';
import type { NewToken } from '../../src/authorization/ports.ts';
import { hashSecret } from '../../src/authorization/token-secret.ts';
import { pointName, sourceId, tokenId } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';

const change = { actor: 'admin', atMs: 1_763_764_000_000, correlationId: 'req-1' };

function aToken(id: string, more: Partial<NewToken> = {}): NewToken {
  return {
    id: tokenId(`tok_${id}`),
    actor: `holder-of-${id}`,
    scopes: ['signals.read', 'signals.write'],
    sourceId: sourceId(`source-of-${id}`),
    createdAtMs: change.atMs,
    secretHash: hashSecret(`secret of ${id}`),
    ...more,
  };
}

forEachDatabase('tokens', (fixture) => {
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const stored = () => createTokenStore({ database: fixture.database, announcer });
  const auditOf = async (target: string) => {
    const { rows } = await fixture.database.pool.query<{ action: string; detail: object }>(
      'SELECT action, actor, correlation_id, detail FROM hub.audit_log WHERE target = $1 ORDER BY id',
      [target],
    );
    return rows;
  };

  it('are found by the hash of their secret, with the source they speak for', async () => {
    const token = aToken('a', { person: true, expiresAtMs: 1_763_764_999_000 });
    await stored().create(token, change);
    const found = await stored().findBySecret(hashSecret('secret of a'));
    expect(found).toMatchObject({
      id: 'tok_a',
      actor: 'holder-of-a',
      scopes: ['signals.read', 'signals.write'],
      expiresAtMs: 1_763_764_999_000,
      source: { id: 'source-of-a', person: true, killsPerMinute: 30 },
    });
    expect(await stored().findBySecret(hashSecret('secret of A'))).toBeUndefined();
  });

  it('are audited with their source, and the audit never holds the secret or its hash', async () => {
    await stored().create(aToken('b'), change);
    expect(await auditOf('tok_b')).toMatchObject([
      { action: 'token.created', actor: 'admin', correlation_id: 'req-1', detail: { source: 'source-of-b' } },
    ]);
    expect(await auditOf('source-of-b')).toMatchObject([{ action: 'source.added' }]);
    const kept = JSON.stringify(await auditOf('tok_b'));
    expect(kept).not.toContain(Buffer.from(hashSecret('secret of b')).toString('hex'));
    expect(kept).not.toContain('secret of b');
  });

  it('share a source that is there, and do not change whom it speaks for', async () => {
    await stored().create(aToken('c1', { sourceId: sourceId('shared') }), change);
    await stored().create(aToken('c2', { sourceId: sourceId('shared') }), change);
    const other = aToken('c3', { sourceId: sourceId('shared'), person: true });
    await expect(stored().create(other, change)).rejects.toMatchObject({ code: 'conflict' });
    expect(await stored().find(tokenId('tok_c3'))).toBeUndefined();
  });

  it('of a point need the point', async () => {
    const token = aToken('d', { scopes: ['point'], point: pointName('edge') });
    await expect(stored().create(token, change)).rejects.toMatchObject({
      code: 'invalid-request',
      errors: [{ path: '/point' }],
    });
    const point = { name: pointName('edge'), expect: 1, ephemeral: false, createdAtMs: change.atMs };
    const entry = {
      atMs: change.atMs,
      actor: 'admin',
      action: 'point.added',
      target: 'edge',
      outcome: 'done',
    } as const;
    await createPointStore({ database: fixture.database, announcer }).add(point, entry);
    await stored().create(token, change);
    expect(await stored().find(tokenId('tok_d'))).toMatchObject({ point: 'edge' });
  });

  it('end when they are revoked: once, announced, audited, and for good', async () => {
    const token = aToken('e');
    await stored().create(token, change);
    expect(await stored().ended([token.id, tokenId('tok_nobody')])).toEqual(['tok_nobody']);
    announced.length = 0;
    expect(await stored().revoke(token.id, { ...change, atMs: change.atMs + 1 })).toBe(true);
    expect(await stored().revoke(token.id, { ...change, atMs: change.atMs + 2 })).toBe(true);
    expect(await stored().revoke(tokenId('tok_nobody'), change)).toBe(false);
    expect(announced).toContain('tokens');
    expect(await stored().find(token.id)).toMatchObject({ revokedAtMs: change.atMs + 1 });
    expect(await stored().ended([token.id])).toEqual(['tok_e']);
    expect((await auditOf('tok_e')).map(({ action }) => action)).toEqual(['token.created', 'token.revoked']);
  });

  it('end with the one that made them, and what they made with them; each is audited', async () => {
    const [maker, made, further, other] = ['g1', 'g2', 'g3', 'g4'].map((id) => tokenId(`tok_${id}`));
    await stored().create(aToken('g1'), change);
    await stored().create(aToken('g2', { madeBy: maker! }), change);
    await stored().create(aToken('g3', { madeBy: made! }), change);
    await stored().create(aToken('g4'), change);
    expect(await stored().find(made!)).toMatchObject({ madeBy: maker });
    expect(await stored().revoke(maker!, change)).toBe(true);
    expect(await stored().ended([maker!, made!, further!, other!])).toEqual([maker, made, further]);
    expect((await auditOf('tok_g3')).map(({ action }) => action)).toEqual(['token.created', 'token.revoked']);
    const late = aToken('g5', { madeBy: made! });
    await expect(stored().create(late, change)).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(await stored().find(late.id)).toBeUndefined();
  });

  it('are listed page by page without anything secret, and say when they were last used', async () => {
    await stored().create(aToken('f1'), change);
    await stored().create(aToken('f2'), change);
    await stored().noteUsed([tokenId('tok_f2')], 42);
    const page = await stored().list({ after: 'tok_f', limit: 2 });
    expect(page.map(({ id, lastUsedAtMs }) => [id, lastUsedAtMs])).toEqual([
      ['tok_f1', undefined],
      ['tok_f2', 42],
    ]);
    expect(JSON.stringify(page)).not.toMatch(/secret(?!-)/i);
  });

  describe('the one the hub is started with', () => {
    const bootstrap = (secret: string) =>
      aToken('boot', { secretHash: hashSecret(secret), scopes: ['admin'] });

    it('changes with its secret, and a revoked secret stays dead', async () => {
      expect(await stored().putBootstrap(bootstrap('one'), change)).toBe('created');
      expect(await stored().putBootstrap(bootstrap('one'), change)).toBe('unchanged');
      expect(await stored().putBootstrap(bootstrap('two'), change)).toBe('replaced');
      expect(await stored().findBySecret(hashSecret('one'))).toBeUndefined();
      await stored().revoke(tokenId('tok_boot'), change);
      expect(await stored().putBootstrap(bootstrap('two'), change)).toBe('revoked');
      expect(await stored().findBySecret(hashSecret('two'))).toMatchObject({ revokedAtMs: change.atMs });
      expect(await stored().putBootstrap(bootstrap('three'), change)).toBe('replaced');
      expect((await stored().findBySecret(hashSecret('three')))?.revokedAtMs).toBeUndefined();
    });
  });
});

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { keyCraft } from '../../src/adapters/jose/key-craft.ts';
import { createSigningKeyStore } from '../../src/adapters/postgres/signing-key-store.ts';
import type { KeyPurpose, NewSigningKey } from '../../src/transmitter/key-ports.ts';
import { forEachDatabase, onlyOnServer } from '../support/databases.ts';
import { putDelivery, sealerOf, settle, signatureOf } from '../support/signing-keys.ts';

const atMs = 1_763_764_000_000;
const by = { actor: 'mara', atMs, correlationId: 'req-1' };

async function aKey(generation: number, parts: Partial<NewSigningKey> = {}): Promise<NewSigningKey> {
  const algorithm = parts.algorithm ?? 'ES256';
  const made = await keyCraft.make(algorithm);
  return { ...made, algorithm, generation, publishedAtMs: atMs, signsFromMs: atMs, ...parts };
}
const withoutSecret = (made: NewSigningKey) => {
  const { privateKey: _, ...key } = made;
  return key;
};

forEachDatabase('signing keys', (fixture) => {
  const open = (secretsKey = 's'.repeat(40), purpose: KeyPurpose = 'sets') => {
    const announce = vi.fn<(topic: string) => void>();
    const sealer = sealerOf(secretsKey);
    const store = createSigningKeyStore({
      database: fixture.database,
      announcer: { announce },
      purpose,
      sealer,
    });
    return { announce, store };
  };
  beforeEach(() => fixture.database.pool.query('TRUNCATE hub.signing_keys, hub.streams CASCADE'));
  const audited = async (target: string) => {
    const { rows } = await fixture.database.pool.query<{ action: string; actor: string; detail: object }>(
      'SELECT action, actor, detail FROM hub.audit_log WHERE target = $1 ORDER BY id',
      [target],
    );
    return rows;
  };

  it('knows nothing of keys for another purpose, which count, rotate and go by themselves', async () => {
    const [sets, tokens] = [open().store, open(undefined, 'access-tokens').store];
    const ours = [await aKey(1), await aKey(2, { signsFromMs: atMs + 1 })];
    const theirs = [await aKey(1), await aKey(2, { signsFromMs: atMs + 1 })];
    for (const key of ours) await sets.add(key, false, by);
    for (const key of theirs) expect(await tokens.add(key, false, by)).toEqual([]);
    expect((await sets.list()).map(({ kid }) => kid)).toEqual(ours.map(({ kid }) => kid));
    expect(await tokens.privateKeyOf(ours[0]!.kid)).toBeUndefined();
    expect(await tokens.retireSuperseded(atMs + 10, { actor: 'hub', atMs: atMs + 10 })).toEqual([
      theirs[0]!.kid,
    ]);
    const compromised = await aKey(3);
    expect(await tokens.add(compromised, true, by)).toEqual([theirs[1]!.kid]);
    await tokens.forget(Number.MAX_SAFE_INTEGER);
    expect((await tokens.list()).map(({ kid }) => kid)).toEqual([compromised.kid]);
    expect((await sets.list()).every(({ retiredAtMs }) => retiredAtMs === undefined)).toBe(true);
  });

  it('gives back what was added, announces and audits it, and keeps its secret to itself', async () => {
    const { store, announce } = open();
    const [first, other] = [await aKey(1), await aKey(1, { algorithm: 'EdDSA' })];
    expect(await store.add(first, false, by)).toEqual([]);
    expect(announce.mock.calls).toEqual([['keys']]);
    await store.add(other, false, by);
    expect(await store.list()).toEqual([withoutSecret(first), withoutSecret(other)]);
    expect(await store.privateKeyOf(first.kid)).toBe(first.privateKey);
    expect(await store.privateKeyOf('none')).toBeUndefined();
    expect(await audited(first.kid)).toEqual([
      {
        action: 'key.published',
        actor: 'mara',
        detail: { algorithm: 'ES256', generation: 1, signs_from_ms: atMs },
      },
    ]);
    const { rows } = await fixture.database.pool.query<{ private_sealed: Buffer }>(
      'SELECT private_sealed FROM hub.signing_keys',
    );
    const secret = first.privateKey.split('\n')[1] ?? '';
    expect(secret.length).toBeGreaterThan(40);
    expect(rows.filter(({ private_sealed: sealed }) => sealed.includes(secret))).toEqual([]);
  });

  it('of several that make the next key at once, one does', async () => {
    const nodes = [open(), open(), open()];
    const keys = await Promise.all(nodes.map(() => aKey(1)));
    const added = await Promise.all(nodes.map(({ store }, index) => store.add(keys[index]!, false, by)));
    expect(added.filter((one) => one !== undefined)).toHaveLength(1);
    const [listed, ...others] = await open().store.list();
    expect([listed?.kid, others]).toEqual([keys[added.findIndex((one) => one !== undefined)]?.kid, []]);
  });

  it('another SECRETS_KEY is told as such', async () => {
    const key = await aKey(1);
    await open().store.add(key, false, by);
    const elsewhere = open('t'.repeat(40)).store;
    expect(await elsewhere.list()).toHaveLength(1);
    await expect(elsewhere.privateKeyOf(key.kid)).rejects.toMatchObject({
      code: 'invalid-configuration',
      message: expect.stringContaining('does not open with this SECRETS_KEY'),
    });
  });

  describe('with removesOlder', () => {
    it('older keys of the algorithm go at once, their secrets too, and what they signed waits for a new signature', async () => {
      const { store, announce } = open();
      const [older, old, other] = [await aKey(1), await aKey(2), await aKey(1, { algorithm: 'EdDSA' })];
      for (const key of [older, old, other]) await store.add(key, false, by);
      const { database } = fixture;
      const pending = [await putDelivery(database, older), await putDelivery(database, old)];
      const kept = [
        await putDelivery(database, { kid: old.kid, state: 'delivered' }),
        await putDelivery(database, other),
      ];
      announce.mockClear();

      const removed = await store.add(await aKey(3), true, { ...by, atMs: atMs + 5 });
      expect(removed?.toSorted()).toEqual([older.kid, old.kid].sort());
      expect(announce.mock.calls).toEqual([['keys']]);
      const keys = await store.list();
      expect(keys.map(({ algorithm, retiredAtMs }) => [algorithm, retiredAtMs])).toEqual([
        ['ES256', atMs + 5],
        ['ES256', atMs + 5],
        ['ES256', undefined],
        ['EdDSA', undefined],
      ]);
      expect(await store.privateKeyOf(old.kid)).toBeUndefined();
      for (const jti of pending) {
        expect(await signatureOf(database, jti)).toEqual({ kid: null, compact: null });
      }
      for (const jti of kept) expect(await signatureOf(database, jti)).toMatchObject({ compact: 'signed' });
      expect((await audited(old.kid)).map(({ action }) => action)).toEqual(['key.published', 'key.removed']);
    });

    it('nothing is removed when somebody was faster', async () => {
      const { store, announce } = open();
      const key = await aKey(1);
      await store.add(key, false, by);
      announce.mockClear();
      expect(await store.add(await aKey(1), true, by)).toBeUndefined();
      expect(await store.list()).toEqual([withoutSecret(key)]);
      expect(announce).not.toHaveBeenCalled();
    });
  });

  describe('retireSuperseded', () => {
    it('takes those whose successor signs for long enough, and none that a pending SET needs', async () => {
      const { store } = open();
      const [old, next] = [await aKey(1), await aKey(2, { signsFromMs: atMs + 100 })];
      for (const key of [old, next]) await store.add(key, false, by);
      const jti = await putDelivery(fixture.database, old);
      expect(await store.retireSuperseded(atMs + 99, by)).toEqual([]);
      expect(await store.retireSuperseded(atMs + 100, by)).toEqual([]);
      await settle(fixture.database, jti);
      expect(await store.retireSuperseded(atMs + 99, by)).toEqual([]);
      expect(await store.retireSuperseded(atMs + 100, { actor: 'hub', atMs: atMs + 200 })).toEqual([old.kid]);
      expect(await store.retireSuperseded(atMs + 1_000, by)).toEqual([]);
      expect((await store.list()).map(({ retiredAtMs }) => retiredAtMs)).toEqual([atMs + 200, undefined]);
      expect(await store.privateKeyOf(old.kid)).toBeUndefined();
      expect(await audited(old.kid)).toMatchObject([{}, { action: 'key.retired', actor: 'hub' }]);
    });

    it('what was retired long ago is forgotten', async () => {
      const { store } = open();
      for (const generation of [1, 2]) await store.add(await aKey(generation), true, by);
      await store.forget(atMs);
      expect(await store.list()).toHaveLength(2);
      await store.forget(atMs + 1);
      expect((await store.list()).map(({ generation }) => generation)).toEqual([2]);
    });
  });
});

onlyOnServer('signing keys', (fixture) => {
  it('a compromised key goes though somebody is at a SET that it signed', async () => {
    const { database } = fixture;
    const store = createSigningKeyStore({
      purpose: 'sets',
      database,
      announcer: { announce: () => undefined },
      sealer: sealerOf('s'.repeat(40)),
    });
    const old = await aKey(1);
    await store.add(old, false, by);
    const [held, free] = [await putDelivery(database, old), await putDelivery(database, old)];
    const client = await database.pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM hub.deliveries WHERE jti = $1 FOR UPDATE', [held]);
    expect(await store.add(await aKey(2), true, by)).toEqual([old.kid]);
    await client.query('ROLLBACK');
    client.release();
    expect(await signatureOf(database, held)).toMatchObject({ kid: old.kid });
    expect(await signatureOf(database, free)).toEqual({ kid: null, compact: null });
  });
});

import { calculateJwkThumbprint, compactVerify, createLocalJWKSet, decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyCraft } from '../../src/adapters/jose/key-craft.ts';
import { signingAlgorithms, type SigningAlgorithm } from '../../src/core/stream.ts';
import { keyOverlapMs } from '../../src/transmitter/key-life.ts';
import type { KeyCraft } from '../../src/transmitter/key-ports.ts';
import { servedKeysMax } from '../../src/transmitter/key-ring.ts';
import { forEachDatabase, onlyOnServer } from '../support/databases.ts';
import {
  aKeyNode,
  type KeyNode,
  putDelivery,
  settle,
  signatureOf,
  someClaims,
} from '../support/signing-keys.ts';

const startMs = 1_763_764_000_000;
const by = { actor: 'mara' };
const otherSecret = 't'.repeat(40);
const order = (algorithm: SigningAlgorithm, compromised = false) => ({ algorithm, compromised, by });
const kidOf = async ({ keys }: KeyNode, algorithm: SigningAlgorithm = 'ES256') =>
  (await keys.sign(someClaims(), algorithm)).kid;
const servedKids = async ({ keys }: KeyNode) =>
  (await keys.list()).filter(({ retiredAtMs }) => retiredAtMs === undefined).map(({ kid }) => kid);

forEachDatabase('key ring', (fixture) => {
  const clock = { nowMs: startMs };
  const nodes: KeyNode[] = [];
  async function open(secretsKey?: string): Promise<KeyNode> {
    const node = await aKeyNode(fixture.database, clock, secretsKey);
    nodes.push(node);
    return node;
  }
  beforeEach(async () => {
    clock.nowMs = startMs;
    await fixture.database.pool.query('TRUNCATE hub.signing_keys, hub.streams CASCADE');
  });
  afterEach(() => nodes.splice(0).forEach((node) => node.close()));

  it.each(signingAlgorithms)('RFC 8417 §2.3: a SET by %s is verified by others', async (algorithm) => {
    const { keys } = await open();
    const claims = someClaims();
    const { compact, kid } = await keys.sign(claims, algorithm);
    expect(Object.keys(decodeProtectedHeader(compact)).sort()).toEqual(['alg', 'kid', 'typ']);
    expect(decodeProtectedHeader(compact)).toEqual({ alg: algorithm, kid, typ: 'secevent+jwt' });
    const jwks = { keys: [...(await keys.jwks())] };
    const { payload } = await compactVerify(compact, createLocalJWKSet(jwks), { algorithms: [algorithm] });
    expect(Buffer.from(payload).toString()).toBe(JSON.stringify(claims));
    const jwk = jwks.keys.find((one) => one.kid === kid)!;
    expect(kid).toBe(await calculateJwkThumbprint({ ...jwk }));
    if (algorithm === 'RS256') expect(Buffer.from(String(jwk['n']), 'base64url').length * 8).toBe(3_072);
  });

  it('nodes that need the first key at once agree on one', async () => {
    const started = [await open(), await open(), await open()];
    const asked = started.flatMap((node) => [kidOf(node), kidOf(node)]);
    expect(new Set(await Promise.all(asked)).size).toBe(1);
    expect(await started[0]?.keys.list()).toHaveLength(1);
  });

  it('a node that hears of the first key while it makes its own takes that one', async () => {
    const there = await open();
    const craft: KeyCraft = {
      ...keyCraft,
      async make(algorithm) {
        const made = await keyCraft.make(algorithm);
        await kidOf(there);
        await here.refresh();
        return made;
      },
    };
    const here = await aKeyNode(fixture.database, clock, undefined, craft);
    nodes.push(here);
    expect(await kidOf(here)).toBe(await kidOf(there));
    expect(await here.keys.list()).toHaveLength(1);
  });

  it('there is a key to serve before anything was signed, and others only when they are asked for', async () => {
    const { keys } = await open();
    expect(await keys.jwks()).toMatchObject([{ alg: 'RS256', kty: 'RSA', use: 'sig' }]);
    await keys.sign(someClaims(), 'EdDSA');
    expect((await keys.jwks()).map(({ alg }) => alg).sort()).toEqual(['EdDSA', 'RS256']);
  });

  it('many sign at once', async () => {
    const { keys } = await open();
    const sets = await Promise.all(Array.from({ length: 64 }, () => keys.sign(someClaims(), 'EdDSA')));
    expect(new Set(sets.map(({ kid }) => kid)).size).toBe(1);
    expect(new Set(sets.map(({ compact }) => compact)).size).toBe(64);
  });

  describe('rotate', () => {
    it('publishes the next key, which signs when every receiver may know it', async () => {
      const node = await open();
      const old = await kidOf(node);
      const { key, removed } = await node.keys.rotate(order('ES256'));
      expect([key.signsFromMs - key.publishedAtMs, removed]).toEqual([keyOverlapMs, []]);
      expect(await servedKids(node)).toEqual(expect.arrayContaining([old, key.kid]));
      expect(await kidOf(node)).toBe(old);
      clock.nowMs = key.signsFromMs - 1;
      expect(await kidOf(node)).toBe(old);
      clock.nowMs = key.signsFromMs;
      expect(await kidOf(node)).toBe(key.kid);
      expect(await servedKids(node)).toEqual(expect.arrayContaining([old, key.kid]));
    });

    it('the old key is served for as long again, and while a SET that it signed is pending', async () => {
      const { database } = fixture;
      const node = await open();
      const old = await kidOf(node);
      const jti = await putDelivery(database, { kid: old });
      const { key } = await node.keys.rotate(order('ES256'));
      const look = async (nowMs: number) => {
        clock.nowMs = nowMs;
        await node.keys.sweep();
        await node.refresh();
        return node.keys.isServed(old);
      };
      expect(await look(key.signsFromMs + keyOverlapMs)).toBe(true);
      await settle(database, jti);
      expect(await look(key.signsFromMs + keyOverlapMs - 1)).toBe(true);
      expect(await look(key.signsFromMs + keyOverlapMs)).toBe(false);
      expect(await servedKids(node)).not.toContain(old);
      expect(node.keys.isServed(key.kid)).toBe(true);
      clock.nowMs = key.signsFromMs + 91 * 86_400_000;
      await node.keys.sweep();
      expect((await node.keys.list()).map(({ kid }) => kid)).not.toContain(old);
    });

    it('an algorithm without a key gets one that signs at once', async () => {
      const { keys } = await open();
      expect((await keys.rotate(order('EdDSA'))).key).toMatchObject({ signsFromMs: startMs, generation: 1 });
    });

    it('is refused while the next key waits, and while too many are served', async () => {
      const [here, there] = [await open(), await open()];
      const first = await kidOf(here);
      await putDelivery(fixture.database, { kid: first });
      const both = [here, there].map(({ keys }) => keys.rotate(order('ES256')));
      const outcomes = (await Promise.allSettled(both)).map(({ status }) => status);
      expect(outcomes.sort()).toEqual(['fulfilled', 'rejected']);
      await expect(here.keys.rotate(order('ES256'))).rejects.toMatchObject({ code: 'conflict' });
      for (let served = 2; served < servedKeysMax; served++) {
        clock.nowMs += keyOverlapMs;
        await here.keys.rotate(order('ES256'));
      }
      clock.nowMs += keyOverlapMs;
      const refused = here.keys.rotate(order('ES256'));
      await expect(refused).rejects.toThrow(`${servedKeysMax} ES256 keys are served already.`);
    });
  });

  describe('rotate, compromised', () => {
    it('the old one is gone at once, waiting ones too, and the new one signs', async () => {
      const node = await open();
      const old = await kidOf(node);
      const untouched = await kidOf(node, 'EdDSA');
      const waiting = (await node.keys.rotate(order('ES256'))).key.kid;
      const jti = await putDelivery(fixture.database, { kid: old });
      const { key, removed } = await node.keys.rotate(order('ES256', true));
      expect([...removed].sort()).toEqual([old, waiting].sort());
      expect([old, waiting, untouched, key.kid].map(node.keys.isServed)).toEqual([false, false, true, true]);
      const served = await servedKids(node);
      expect([old, waiting].filter((kid) => served.includes(kid))).toEqual([]);
      expect(await kidOf(node)).toBe(key.kid);
      expect(await signatureOf(fixture.database, jti)).toEqual({ kid: null, compact: null });
    });

    it('of two at once both are done, and one key is left', async () => {
      const [here, there] = [await open(), await open()];
      await kidOf(here);
      await Promise.all([here, there].map(({ keys }) => keys.rotate(order('ES256', true))));
      const left = await servedKids(here);
      expect(left).toHaveLength(1);
      await there.refresh();
      expect([await kidOf(here), await kidOf(there)]).toEqual([...left, ...left]);
    });

    it('a node that has not heard of it finds out when it opens the key', async () => {
      const here = await open();
      const old = await kidOf(here);
      const there = await open();
      const { key } = await here.keys.rotate(order('ES256', true));
      expect(await kidOf(there)).toBe(key.kid);
      expect(there.keys.isServed(old)).toBe(false);
    });
  });

  it('a kid that another node may have just made counts as served until a look shows that there is none', async () => {
    const [here, there] = [await open(), await open()];
    const kid = await kidOf(here);
    expect([there.keys.isServed(kid), there.keys.isServed('nobody')]).toEqual([true, true]);
    await expect.poll(() => there.keys.isServed('nobody')).toBe(false);
    expect(there.keys.isServed(kid)).toBe(true);
  });

  describe('another SECRETS_KEY', () => {
    it('nothing is signed and nothing is made beside keys that do not open, and it is said why', async () => {
      await kidOf(await open());
      const { keys } = await open(otherSecret);
      const problem = { code: 'invalid-configuration', hint: expect.stringContaining('SECRETS_KEY') };
      await expect(keys.check()).rejects.toMatchObject(problem);
      await expect(keys.sign(someClaims(), 'ES256')).rejects.toMatchObject(problem);
      await expect(keys.sign(someClaims(), 'EdDSA')).rejects.toMatchObject(problem);
      await expect(keys.rotate(order('EdDSA'))).rejects.toMatchObject({
        code: 'conflict',
        hint: expect.stringContaining('compromised'),
      });
      expect(await keys.list()).toHaveLength(1);
    });

    it('whoever lost it goes on with new keys', async () => {
      const old = await kidOf(await open());
      const node = await open(otherSecret);
      const { key, removed } = await node.keys.rotate(order('ES256', true));
      expect(removed).toEqual([old]);
      await node.keys.check();
      expect(await kidOf(node)).toBe(key.kid);
    });
  });

  it('a key that was being made when the hub shut down is not published', async () => {
    const node = await open();
    const making = node.keys.jwks();
    node.close();
    await expect(making).rejects.toMatchObject({ code: 'shutting-down' });
    expect(await (await open()).keys.list()).toEqual([]);
  });
});

onlyOnServer('key ring', (fixture) => {
  it('another node hears of a removed key as soon as it is woken', async () => {
    const clock = { nowMs: startMs };
    const [here, there] = [await aKeyNode(fixture.database, clock), await aKeyNode(fixture.database, clock)];
    const old = await kidOf(here);
    expect(await kidOf(there)).toBe(old);
    const { key } = await here.keys.rotate(order('ES256', true));
    await expect.poll(() => there.keys.isServed(old), { timeout: 4_000 }).toBe(false);
    expect(await kidOf(there)).toBe(key.kid);
    for (const node of [here, there]) node.close();
  });
});

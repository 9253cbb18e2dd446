import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createClientStore } from '../../src/adapters/postgres/client-store.ts';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createUsedProofs } from '../../src/adapters/postgres/used-proofs.ts';
import type { NewClient } from '../../src/authorization/ports.ts';
import { hashSecret } from '../../src/authorization/token-secret.ts';
import { type SetClaims, streamUpdatedEventType } from '../../src/core/set-claims.ts';
import type { Stream } from '../../src/core/stream.ts';
import { clientId, sourceId, type StreamId } from '../../src/core/vocabulary.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { newId } from '../../src/adapters/system/ids.ts';
import { aStream } from '../support/a-stream.ts';
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

const maker = { issuer: () => 'https://hub.example', newId };

forEachDatabase('clients', (fixture) => {
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const stored = () => createClientStore({ database: fixture.database, announcer, maker });

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

  describe('SSF 1.0 §8.1.5: streams of one that is revoked', () => {
    const streams = () =>
      createStreamStore({ database: fixture.database, announcer, sealer: createSealer(randomBytes(32)) });
    const by = { actor: 'x', atMs };
    const enable = (id: StreamId) =>
      streams().update(
        id,
        (stream) => ({ stream: { ...stream, status: 'enabled' }, audit: { action: 'x' } }),
        by,
      );
    const aStreamOf = async (name: string, parts: Partial<Stream> = {}) => {
      const stream = aStream(newId('str'), { receiver: `client:${name}`, ...parts });
      await streams().create(stream, undefined, by);
      return stream.id;
    };

    it('are disabled and told so, and nobody enables them again or makes another', async () => {
      await stored().create(aClient('ended'), change);
      const id = await aStreamOf('ended');
      const silent = await aStreamOf('ended', { status: 'disabled', statusReason: 'by its receiver' });
      await stored().revoke(clientId('ended'), change);
      expect(await streams().find(id)).toMatchObject({
        status: 'disabled',
        statusReason: 'Its client was revoked.',
      });
      expect(await streams().find(silent)).toMatchObject({ statusReason: 'by its receiver' });
      const { rows } = await fixture.database.pool.query<{ claims: SetClaims }>(
        'SELECT claims FROM hub.deliveries WHERE stream_id = ANY ($1) AND control',
        [[id, silent]],
      );
      expect(rows.map(({ claims }) => [claims.sub_id, claims.events])).toEqual([
        [
          { format: 'opaque', id },
          { [streamUpdatedEventType]: { status: 'disabled', reason: 'Its client was revoked.' } },
        ],
      ]);
      expect(announced.at(-1)).toBe('deliveries');
      for (const refused of [() => enable(id), () => enable(silent), () => aStreamOf('ended')]) {
        await expect(refused()).rejects.toMatchObject({ code: 'invalid-request' });
      }
    });

    it('are disabled whoever makes or enables them at that moment', async () => {
      for (let turn = 0; turn < 10; turn += 1) {
        const name = `racing-${turn}`;
        await stored().create(aClient(name), change);
        const disabled = await aStreamOf(name, { status: 'disabled' });
        await Promise.allSettled([
          enable(disabled),
          aStreamOf(name),
          stored().revoke(clientId(name), change),
          enable(disabled),
          aStreamOf(name),
        ]);
        const left = await streams().list({ receiver: `client:${name}`, limit: 10 });
        expect(new Set(left.map(({ status }) => status))).toEqual(new Set(['disabled']));
      }
    });
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

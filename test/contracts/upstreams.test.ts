import { beforeAll, describe, expect, it } from 'vitest';
import { createUpstreamChanges } from '../../src/adapters/postgres/upstream-changes.ts';
import { createUpstreamStore } from '../../src/adapters/postgres/upstream-store.ts';
import { createUpstreamTurns } from '../../src/adapters/postgres/upstream-turns.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { sourceId } from '../../src/core/vocabulary.ts';
import {
  type Binding,
  type UpstreamProgress,
  type UpstreamStore,
  upstreamsMax,
} from '../../src/receiver/ports.ts';
import { aNewUpstream, limitsOf, someSecrets } from '../support/an-upstream.ts';
import { forEachDatabase } from '../support/databases.ts';

const issuer = 'https://idp.example';
const atMs = 1_763_764_000_000;
const change = { actor: 'mara', atMs, correlationId: 'req-1' };
const binding: Binding = {
  jwksUri: `${issuer}/jwks`,
  audience: ['hub'],
  streamId: 'stream-1',
  endpoints: { configuration: `${issuer}/streams` },
  criticalSubjectMembers: [],
  boundAtMs: atMs,
};

forEachDatabase('upstreams', (fixture) => {
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const sealer = createSealer(Buffer.alloc(32, 1));
  let store: UpstreamStore;
  beforeAll(() => {
    store = createUpstreamStore({ database: fixture.database, announcer, sealer });
  });
  const turns = () => createUpstreamTurns({ database: fixture.database, announcer, store });
  const changes = (key = sealer) =>
    createUpstreamChanges({ database: fixture.database, announcer, sealer: key });
  const add = (name: string, dueAtMs = atMs) =>
    store.add(aNewUpstream(name, { issuer }, dueAtMs), someSecrets, limitsOf(issuer), change);
  const auditOf = async (target: string): Promise<string[]> => {
    const { rows } = await fixture.database.pool.query<{ action: string }>(
      'SELECT action FROM hub.audit_log WHERE target = $1 ORDER BY id',
      [target],
    );
    return rows.map(({ action }) => action);
  };

  it('are added with their source, found, paused and removed; each is audited and announced', async () => {
    announced.length = 0;
    const upstream = aNewUpstream('idp', { issuer }, atMs);
    await store.add(upstream, someSecrets, limitsOf(issuer), change);
    expect(await store.find('idp')).toMatchObject({
      ...upstream,
      paused: false,
      verification: {},
      source: { id: 'idp', subjectIssuers: [issuer], person: false },
    });
    expect((await store.list()).map(({ name }) => name)).toEqual(['idp']);
    expect(await store.setPaused(sourceId('idp'), true, change)).toBe(true);
    expect((await store.find('idp'))?.paused).toBe(true);
    await expect(add('idp')).rejects.toMatchObject({ code: 'conflict', errors: [{ path: '/name' }] });
    expect(await store.remove(sourceId('idp'), change)).toBe(true);
    expect(await store.remove(sourceId('idp'), change)).toBe(false);
    expect(await store.find('idp')).toBeUndefined();
    expect(announced.every((topic) => topic === 'configuration')).toBe(true);
    expect(await auditOf('idp')).toEqual([
      'source.added',
      'upstream.added',
      'upstream.paused',
      'upstream.removed',
    ]);
  });

  it('do not speak for a source that is a person', async () => {
    await fixture.database.pool.query(
      `INSERT INTO hub.sources (id, strongest_effect, kills_per_minute, soft_effect, held_seconds, held_default, person, created_at_ms)
       VALUES ('mara', 'deny', 1, 'observe', 60, 'discard', true, 0)`,
    );
    await expect(add('mara')).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.find('mara')).toBeUndefined();
  });

  it('keep their secrets sealed: they open under the key of the hub, and are nowhere to be read', async () => {
    await add('sealed');
    expect(await store.secretsOf(sourceId('sealed'))).toEqual(someSecrets);
    const { rows } = await fixture.database.pool.query<{ everything: string }>(
      `SELECT (SELECT json_agg(u) FROM hub.upstreams u)::text || (SELECT json_agg(a) FROM hub.audit_log a)::text
         || (SELECT string_agg(encode(secrets_sealed, 'escape'), '') FROM hub.upstreams) AS everything`,
    );
    expect(rows[0]?.everything).toContain('sealed');
    expect(rows[0]?.everything).not.toMatch(/hunter2/);
    const other = createUpstreamStore({
      database: fixture.database,
      announcer,
      sealer: createSealer(Buffer.alloc(32, 2)),
    });
    await expect(other.secretsOf(sourceId('sealed'))).rejects.toMatchObject({
      code: 'invalid-configuration',
    });
    await store.remove(sourceId('sealed'), change);
  });

  it('note what is found out: what is absent stays, null takes away', async () => {
    await add('noted');
    const note = async (progress: UpstreamProgress) => {
      await store.note(sourceId('noted'), progress);
      return store.find('noted');
    };
    const failure = { atMs, step: 'verify', text: 'no', attempts: 2, isSilence: true } as const;
    const verification = { state: 's', requestedAtMs: atMs };
    const streamStatus = { status: 'paused', reason: 'upkeep' };
    expect(await note({ binding, verification, failure, streamStatus, dueAtMs: 5 })).toMatchObject({
      binding,
      verification,
      failure,
      streamStatus,
      dueAtMs: 5,
    });
    expect(await note({ dueAtMs: 6 })).toMatchObject({ binding, failure, streamStatus, dueAtMs: 6 });
    const verified = await note({ verifiedAtMs: atMs, failure: null });
    expect([verified?.verification, verified?.failure]).toEqual([{ verifiedAtMs: atMs }, undefined]);
    const lost = await note({ binding: null, verifiedAtMs: null, streamStatus: null });
    expect([lost?.binding, lost?.verification, lost?.streamStatus]).toEqual([undefined, {}, undefined]);
    await store.remove(sourceId('noted'), change);
  });

  it(`are at most ${upstreamsMax}`, async () => {
    for (let count = 0; count < upstreamsMax; count++) await add(`many-${count}`);
    await expect(add('one-more')).rejects.toMatchObject({ code: 'conflict' });
    for (const { name } of await store.list()) await store.remove(name, change);
  });

  describe('turns', () => {
    const nowMs = atMs + 1_000;
    const untilMs = nowMs + 60_000;

    it('go to the one that has been due for longest; to none that is paused, taken or not due', async () => {
      await add('later', nowMs);
      await add('first', nowMs - 500);
      await add('paused', 0);
      await add('not-due', nowMs + 1);
      await store.setPaused(sourceId('paused'), true, change);
      const taken: (string | undefined)[] = [];
      for (let at = 0; at < 3; at++) taken.push((await turns().takeDue({ nowMs, untilMs }))?.upstream.name);
      expect(taken).toEqual(['first', 'later', undefined]);
      expect(await turns().take('first', { nowMs, untilMs })).toBe('busy');
      expect(await turns().take('nobody', { nowMs, untilMs })).toBeUndefined();
      expect(await turns().take('not-due', { nowMs, untilMs })).toMatchObject({
        upstream: { name: 'not-due' },
      });
      expect((await turns().takeDue({ nowMs: untilMs, untilMs: untilMs + 1 }))?.upstream.name).toBe('first');
      for (const { name } of await store.list()) await store.remove(name, change);
    });

    it('are taken by one of many at a time', async () => {
      await add('wanted', 0);
      const all = await Promise.all(
        Array.from({ length: 12 }, (_, at) => turns().takeDue({ nowMs, untilMs: untilMs + at })),
      );
      expect(all.filter((turn) => turn !== undefined)).toHaveLength(1);
      await store.remove(sourceId('wanted'), change);
    });

    it('write only while they last, and end with when it is due next', async () => {
      await add('turned');
      const old = await turns().take('turned', { nowMs, untilMs });
      if (old === undefined || old === 'busy') throw new Error('no turn');
      const noted = { action: 'upstream.connected', detail: { how: 'created' }, change };
      expect(await turns().note(old, { binding }, noted)).toBe(true);
      const young = await turns().take('turned', { nowMs: untilMs, untilMs: untilMs + 60_000 });
      if (young === undefined || young === 'busy') throw new Error('no turn');
      expect(await turns().note(old, { binding: null }, noted)).toBe(false);
      expect(await turns().end(old, { dueAtMs: 1 })).toBe(false);
      expect(await turns().end(young, { dueAtMs: 77, failure: null })).toBe(true);
      expect(await store.find('turned')).toMatchObject({ binding, dueAtMs: 77 });
      expect((await auditOf('turned')).filter((action) => action === 'upstream.connected')).toHaveLength(1);
      expect(await turns().take('turned', { nowMs, untilMs })).toMatchObject({ untilMs });
      await store.remove(sourceId('turned'), change);
    });
  });

  describe('changes', () => {
    it('replace settings and credentials, forget what it was bound to, and make it due', async () => {
      await add('changed', atMs + 9_999);
      await store.note(sourceId('changed'), { binding, verifiedAtMs: atMs });
      const credentials = { kind: 'token', token: 'hunter3' } as const;
      const done = await changes().change(
        sourceId('changed'),
        (settings, before) => {
          expect(before).toEqual(someSecrets.credentials);
          return {
            settings: { ...settings, algorithm: 'RS256' },
            credentials,
            isRebound: true,
            members: ['algorithm'],
          };
        },
        change,
      );
      expect(done).toBe(true);
      const upstream = await store.find('changed');
      expect(upstream).toMatchObject({
        settings: { algorithm: 'RS256', issuer },
        dueAtMs: atMs,
        verification: {},
      });
      expect(upstream?.binding).toBeUndefined();
      expect(await store.secretsOf(sourceId('changed'))).toEqual({ ...someSecrets, credentials });
      expect((await auditOf('changed')).at(-1)).toBe('upstream.changed');
    });

    it('that throw change nothing, and are refused where the secrets do not open', async () => {
      const same = async (by: ReturnType<typeof changes>, name = 'changed') =>
        by.change(sourceId(name), (settings) => ({ settings, isRebound: false, members: [] }), change);
      const before = await store.find('changed');
      const broken = changes().change(
        sourceId('changed'),
        () => {
          throw new Error('unfit');
        },
        change,
      );
      await expect(broken).rejects.toThrow('unfit');
      await expect(same(changes(createSealer(Buffer.alloc(32, 3))))).rejects.toMatchObject({
        code: 'conflict',
      });
      expect(await store.find('changed')).toEqual(before);
      expect(await same(changes(), 'nobody')).toBe(false);
      await store.remove(sourceId('changed'), change);
    });
  });
});

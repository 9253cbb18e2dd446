import { randomBytes } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { streamUpdatedEventType } from '../../src/core/set-claims.ts';
import type { Stream } from '../../src/core/stream.ts';
import { streamId } from '../../src/core/vocabulary.ts';
import type { StreamStore } from '../../src/transmitter/ports.ts';
import { aControlSet, aStream, streamAtMs } from '../support/a-stream.ts';
import { type DatabaseFixture, forEachDatabase } from '../support/databases.ts';

const by = { actor: 'siem', atMs: streamAtMs, correlationId: 'req-1' };
const audit = { action: 'stream.changed' };
const push = { method: 'push', endpointUrl: 'https://siem.example/sets', isAuthorized: true } as const;

forEachDatabase('streams', (fixture) => {
  let announced: string[];
  let store: StreamStore;
  beforeEach(async () => {
    await fixture.database.pool.query('TRUNCATE hub.streams, hub.stream_subjects, hub.deliveries');
    announced = [];
    store = createStreamStore({
      database: fixture.database,
      announcer: { announce: (topic) => void announced.push(topic) },
      sealer: createSealer(randomBytes(32)),
    });
  });

  it('gives back all of a stream, with the secret of its pushes encrypted and shown to nobody', async () => {
    const stream = aStream('str_1', {
      delivery: push,
      description: 'SIEM',
      statusReason: 'why',
      algorithm: 'ES256',
      defaultSubjects: 'NONE',
      inactivityTimeoutSeconds: 600,
      lastVerificationAtMs: streamAtMs,
    });
    await store.create(stream, 'Bearer hunter2', by);
    expect(await store.find(stream.id)).toEqual(stream);
    expect(await store.authorizationOf(stream.id)).toBe('Bearer hunter2');
    const { rows } = await fixture.database.pool.query(
      `SELECT (SELECT encode(authorization_sealed, 'escape') FROM hub.streams) || (SELECT json_agg(a) FROM hub.audit_log a)::text AS all`,
    );
    expect(JSON.stringify(rows)).not.toContain('hunter2');
    expect(announced).toEqual(['streams']);
    const bare = aStream('str_2');
    await store.create(bare, undefined, by);
    expect(await store.find(bare.id)).toEqual(bare);
    expect(await store.authorizationOf(bare.id)).toBeUndefined();
    expect(await store.find(streamId('str_none'))).toBeUndefined();
  });

  it('keeps the profile of a stream, and none that is at odds with it', async () => {
    const profile = 'caep-interop-1.0-draft-02';
    const stream = aStream('str_1', { profile });
    await store.create(stream, undefined, by);
    expect(await store.find(stream.id)).toEqual(stream);
    const changed = { ...stream, description: 'changed' };
    expect(await store.update(stream.id, () => ({ stream: changed, audit }), by)).toEqual(changed);
    for (const parts of [{ algorithm: 'ES256' }, { defaultSubjects: 'NONE' }] as const) {
      await expect(
        store.create(aStream('str_2', { profile, ...parts }), undefined, by),
      ).rejects.toMatchObject({
        cause: { code: '23514' },
      });
    }
  });

  it('lists those of one receiver, or all, oldest first and in pages', async () => {
    for (const [index, receiver] of ['token:a', 'token:b', 'token:a'].entries()) {
      await store.create(
        aStream(`str_${index}`, { receiver, createdAtMs: streamAtMs + index }),
        undefined,
        by,
      );
    }
    const idsOf = (streams: readonly Stream[]) => streams.map(({ id }) => id);
    expect(idsOf(await store.list({ receiver: 'token:a', limit: 9 }))).toEqual(['str_0', 'str_2']);
    expect(idsOf(await store.list({ limit: 2 }))).toEqual(['str_0', 'str_1']);
    const after = { atMs: streamAtMs + 1, id: 'str_1' };
    expect(idsOf(await store.list({ after, limit: 2 }))).toEqual(['str_2']);
  });

  it('SSF 1.0 §8.1.1.1: nobody gets more than their 16, however many ask at once', async () => {
    const all = Array.from({ length: 20 }, (_, index) =>
      store.create(aStream(`str_${index}`), undefined, by),
    );
    const refused = (await Promise.allSettled(all)).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(4);
    expect(refused[0]).toMatchObject({ reason: { code: 'too-many-streams' } });
    await store.create(aStream('str_other', { receiver: 'token:other' }), undefined, by);
  });

  it('changes a stream under a lock, with its secret, its SETs and its audit in one transaction', async () => {
    const { id } = await created(store, aStream('str_1', { delivery: push }), 'Bearer one');
    const version = await versionOf(fixture);
    announced.length = 0;
    const count = async () => {
      await store.update(
        id,
        (stream) => ({ stream: { ...stream, description: `${stream.description ?? ''}x` }, audit }),
        by,
      );
    };
    await Promise.all([count(), count(), count()]);
    expect((await store.find(id))?.description).toBe('xxx');
    expect(await store.authorizationOf(id)).toBe('Bearer one');
    expect(await versionOf(fixture)).toBe(version + 3);
    const poll = await store.update(
      id,
      (stream) => ({
        stream: { ...stream, delivery: { method: 'poll' }, eventsRequested: [], eventsDelivered: [] },
        authorization: null,
        sets: [aControlSet(id, 'set_1')],
        audit,
      }),
      by,
    );
    expect(poll?.delivery).toEqual({ method: 'poll' });
    expect(await store.authorizationOf(id)).toBeUndefined();
    expect(await pendingOf(fixture)).toEqual(['set_1']);
    expect(announced.at(-1)).toBe('deliveries');
    expect(await store.update(streamId('str_none'), (stream) => ({ stream, audit }), by)).toBeUndefined();
    const refuse = (): never => {
      throw new Error('refused');
    };
    await expect(store.update(id, refuse, by)).rejects.toThrow('refused');
  });

  it('counts up and wakes nobody for what changes nothing', async () => {
    const { id } = await created(store, aStream('str_1'));
    const version = await versionOf(fixture);
    announced.length = 0;
    const later = streamAtMs + 60_000;
    await store.update(
      id,
      (stream) => ({ stream: { ...stream, lastVerificationAtMs: later, updatedAtMs: later }, audit }),
      by,
    );
    expect((await store.find(id))?.lastVerificationAtMs).toBe(later);
    expect(await store.update(id, () => undefined, by)).toMatchObject({ id });
    expect([await versionOf(fixture), announced]).toEqual([version, []]);
  });

  it('SSF 1.0 §8.1.2.1: what is disabled holds nothing but the news of its status', async () => {
    const { id } = await created(store, aStream('str_1'));
    const sets = [aControlSet(id, 'set_1'), aControlSet(id, 'set_2', streamUpdatedEventType)];
    await store.update(id, (stream) => ({ stream, sets, audit }), by);
    await fixture.database.pool.query(
      `INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, due_at_ms, created_at_ms)
       SELECT 'event_' || n, $1, 'p', true, false, 'x', '{}', 0, 0 FROM generate_series(1, 25) n`,
      [id],
    );
    await store.update(
      id,
      (stream) => ({
        stream: { ...stream, status: 'disabled' },
        drops: 'all',
        sets: [aControlSet(id, 'set_3', streamUpdatedEventType)],
        audit,
      }),
      by,
    );
    expect(await pendingOf(fixture)).toEqual(['set_2', 'set_3']);
    expect(await store.remove(id, by)).toBe(true);
    expect(await store.remove(id, by)).toBe(false);
  });

  it('a new address or secret, or being enabled again, ends the wait after failures, and tries begin anew', async () => {
    const { id } = await created(store, aStream('str_1', { delivery: push }), 'Bearer one');
    const blocked = async () => {
      const { rows } = await fixture.database.pool.query<{ blocked: string; tried: string }>(
        'SELECT blocked_until_ms AS blocked, tried_at_ms AS tried FROM hub.streams',
      );
      await fixture.database.pool.query('UPDATE hub.streams SET blocked_until_ms = 7, tried_at_ms = 7');
      return [Number(rows[0]?.blocked), Number(rows[0]?.tried)];
    };
    await blocked();
    await store.update(id, (stream) => ({ stream: { ...stream, description: 'x' }, audit }), by);
    expect(await blocked()).toEqual([7, 7]);
    await store.update(id, (stream) => ({ stream, authorization: 'Bearer two', audit }), by);
    expect(await blocked()).toEqual([0, 0]);
    await store.update(id, (stream) => ({ stream: { ...stream, status: 'paused' }, audit }), by);
    expect(await blocked()).toEqual([7, 7]);
    await store.update(id, (stream) => ({ stream: { ...stream, status: 'enabled' }, audit }), by);
    expect(await blocked()).toEqual([0, 0]);
  });

  it('SSF 1.0 §8.1.1: activity restarts the time of inactivity; who let it pass is found', async () => {
    await created(store, aStream('str_1', { inactivityTimeoutSeconds: 60 }));
    await created(store, aStream('str_2', { inactivityTimeoutSeconds: 60, status: 'paused' }));
    await created(store, aStream('str_3'));
    expect(await store.listInactive(streamAtMs + 60_000, 9)).toEqual([]);
    expect(await store.listInactive(streamAtMs + 60_001, 9)).toEqual(['str_1']);
    await store.noteActivity(streamId('str_1'), streamAtMs + 60_000);
    expect(await store.listInactive(streamAtMs + 60_001, 9)).toEqual([]);
    await store.noteActivity(streamId('str_1'), streamAtMs);
    expect((await store.find(streamId('str_1')))?.lastActivityAtMs).toBe(streamAtMs + 60_000);
  });
});

async function created(store: StreamStore, stream: Stream, authorization?: string): Promise<Stream> {
  await store.create(stream, authorization, by);
  return stream;
}

async function versionOf({ database }: DatabaseFixture): Promise<number> {
  const { rows } = await database.pool.query<{ version: string }>('SELECT version FROM hub.stream_changes');
  return Number(rows[0]?.version);
}

async function pendingOf({ database }: DatabaseFixture): Promise<readonly string[]> {
  const { rows } = await database.pool.query<{ jti: string }>(
    `SELECT jti FROM hub.deliveries WHERE state = 'pending' ORDER BY seq`,
  );
  return rows.map(({ jti }) => jti);
}

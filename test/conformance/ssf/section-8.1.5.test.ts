import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createStreamStore } from '../../../src/adapters/postgres/stream-store.ts';
import { createStreamSubjectStore } from '../../../src/adapters/postgres/stream-subject-store.ts';
import { newId } from '../../../src/adapters/system/ids.ts';
import { createSealer } from '../../../src/adapters/system/sealer.ts';
import { streamUpdatedEventType, verificationEventType } from '../../../src/core/set-claims.ts';
import type { Stream } from '../../../src/core/stream.ts';
import { createManagement } from '../../../src/transmitter/manage.ts';
import { createOperation } from '../../../src/transmitter/operate.ts';
import { createPauseInactive } from '../../../src/transmitter/pause-inactive.ts';
import { aStream, streamAtMs } from '../../support/a-stream.ts';
import { type DatabaseFixture, forEachDatabase } from '../../support/databases.ts';

const by = { actor: 'siem', atMs: streamAtMs + 500 };
const from = { receiver: 'token:siem', by };
const never = new AbortController().signal;

function everythingOf({ database }: DatabaseFixture) {
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const clock = { atMs: streamAtMs };
  const store = createStreamStore({ database, announcer, sealer: createSealer(randomBytes(32)) });
  const subjects = createStreamSubjectStore({ database, announcer });
  const maker = { issuer: () => 'https://transmitter.example.com', newId };
  return {
    announced,
    clock,
    store,
    management: createManagement({
      ...maker,
      store,
      subjects,
      refuseEndpoint: () => undefined,
      findReceiver: async () => ({}),
    }),
    operation: createOperation({
      ...maker,
      store,
      refuseEndpoint: () => undefined,
      findReceiver: async () => ({}),
    }),
    pauseInactive: createPauseInactive({ ...maker, store, nowMs: () => clock.atMs }),
  };
}

/** What is pending, oldest first. */
async function pendingOf({ database }: DatabaseFixture) {
  const { rows } = await database.pool.query(
    `SELECT claims, control, principal, event_type, due_at_ms::int8::text AS due FROM hub.deliveries
      WHERE state = 'pending' ORDER BY seq`,
  );
  return rows as readonly Record<string, unknown>[];
}

forEachDatabase('SETs about a stream', (fixture) => {
  let all: ReturnType<typeof everythingOf>;
  let stream: Stream;
  beforeEach(async () => {
    await fixture.database.pool.query('TRUNCATE hub.streams, hub.stream_subjects, hub.deliveries');
    all = everythingOf(fixture);
    stream = aStream(newId('str'), { inactivityTimeoutSeconds: 60 });
    await all.store.create(stream, undefined, by);
  });

  describe('SSF 1.0 §8.1.4: verification', () => {
    it('is committed with its request: about the stream, with the state as it came', async () => {
      await all.management.verify(from, stream.id, 'VGhpcyA=');
      const [row, ...others] = await pendingOf(fixture);
      expect(others).toEqual([]);
      expect(row).toMatchObject({
        control: true,
        principal: `stream:${stream.id}`,
        event_type: verificationEventType,
        due: String(by.atMs),
      });
      expect(row?.['claims']).toEqual({
        iss: 'https://transmitter.example.com',
        jti: expect.stringMatching(/^set_/),
        iat: streamAtMs / 1_000,
        aud: stream.aud,
        txn: expect.stringMatching(/^txn_/),
        sub_id: { format: 'opaque', id: stream.id },
        events: { [verificationEventType]: { state: 'VGhpcyA=' } },
      });
      expect(all.announced.at(-1)).toBe('deliveries');
    });

    it.each([
      ['asked for without', undefined, {}],
      ['asked for with an empty one', '', { state: '' }],
    ])('has no state of its own: %s', async (_name, state, event) => {
      await all.management.verify(from, stream.id, state);
      const [row] = await pendingOf(fixture);
      expect(row?.['claims']).toMatchObject({ events: { [verificationEventType]: event } });
    });

    it('an operator sends one at any time, without state, and it counts nothing against the receiver', async () => {
      await all.operation.verify(stream.id, by);
      await all.operation.verify(stream.id, by);
      await all.management.verify(from, stream.id, undefined);
      expect(await pendingOf(fixture)).toHaveLength(3);
      await expect(all.management.verify(from, stream.id, undefined)).rejects.toMatchObject({
        code: 'rate-limited',
        extra: { retry_after: 30 },
      });
      const later = { receiver: 'token:siem', by: { ...by, atMs: by.atMs + 30_000 } };
      await all.management.verify(later, stream.id, undefined);
      const setBack = { receiver: 'token:siem', by: { ...by, atMs: streamAtMs - 86_400_000 } };
      await all.management.verify(setBack, stream.id, undefined);
    });
  });

  describe('SSF 1.0 §8.1.5: stream-updated', () => {
    const updatesOf = async () =>
      (await pendingOf(fixture)).map(({ claims }) => {
        const { events, sub_id } = claims as { events: Record<string, unknown>; sub_id: unknown };
        expect(sub_id).toEqual({ format: 'opaque', id: stream.id });
        return events[streamUpdatedEventType];
      });

    it('tells of every change of status by an operator, and is kept when the stream is disabled', async () => {
      const change = (body: object) => all.operation.change(stream.id, body, by);
      await change({ status: 'paused', reason: 'Internal error' });
      await change({ status: 'paused' });
      await change({ status: 'disabled', reason: 'closed' });
      await change({ status: 'enabled' });
      await change({ description: 'x' });
      expect(await updatesOf()).toEqual([
        { status: 'paused', reason: 'Internal error' },
        { status: 'disabled', reason: 'closed' },
        { status: 'enabled' },
      ]);
    });

    it('tells a receiver nothing of what it did itself', async () => {
      for (const status of ['paused', 'disabled', 'enabled'] as const) {
        await all.management.setStatus(from, stream.id, status, undefined);
      }
      expect(await pendingOf(fixture)).toEqual([]);
    });

    it('§8.1.1: a stream without activity is paused, and its receiver told', async () => {
      all.clock.atMs = streamAtMs + 60_000;
      await all.pauseInactive(never);
      expect((await all.store.find(stream.id))?.status).toBe('enabled');
      all.clock.atMs += 1;
      await all.pauseInactive(never);
      await all.pauseInactive(never);
      expect(await all.store.find(stream.id)).toMatchObject({
        status: 'paused',
        statusReason: 'no activity for 60 seconds',
      });
      expect(await updatesOf()).toEqual([{ status: 'paused', reason: 'no activity for 60 seconds' }]);
    });

    it('§8.1.1: an operator who enables it, or sets the time, gives it that time anew', async () => {
      const changeAt = (atMs: number, body: object) => all.operation.change(stream.id, body, { ...by, atMs });
      const statusAt = async (atMs: number) => {
        all.clock.atMs = atMs;
        await all.pauseInactive(never);
        return (await all.store.find(stream.id))?.status;
      };
      expect(await statusAt(streamAtMs + 60_001)).toBe('paused');
      await changeAt(streamAtMs + 100_000, { status: 'enabled' });
      expect(await statusAt(streamAtMs + 160_000)).toBe('enabled');
      await changeAt(streamAtMs + 160_000, { inactivity_timeout: 100 });
      expect(await statusAt(streamAtMs + 260_000)).toBe('enabled');
      await changeAt(streamAtMs + 260_000, { description: 'no activity of anybody' });
      expect(await statusAt(streamAtMs + 260_001)).toBe('paused');
    });

    it.each([
      ['reads it', 'show'],
      ['reads its status', 'status'],
      ['changes it', 'patch'],
      ['replaces it', 'replace'],
    ] as const)('§8.1.1: a receiver who %s is there', async (_name, verb) => {
      const atMs = streamAtMs + 50_000;
      await all.management[verb]({ ...from, by: { ...by, atMs } }, stream.id, {});
      all.clock.atMs = streamAtMs + 60_001;
      await all.pauseInactive(never);
      expect((await all.store.find(stream.id))?.status).toBe('enabled');
    });
  });
});

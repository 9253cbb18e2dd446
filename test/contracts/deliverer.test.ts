import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createAnnouncements } from '../../src/adapters/system/announcements.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import type { StreamId } from '../../src/core/vocabulary.ts';
import { createDeliverer, type Deliverer, type DelivererPorts } from '../../src/transmitter/deliverer.ts';
import type { DeliveryStore } from '../../src/transmitter/delivery-ports.ts';
import { createJudgePush, failuresUntilTrial } from '../../src/transmitter/judge-push.ts';
import type { PushOutcome } from '../../src/transmitter/ports.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deferred } from '../support/deferred.ts';
import { deliveriesOf, lease, now, of, signedAs } from '../support/deliveries.ts';

const within = { timeout: 60_000, interval: 5 };
const taken: PushOutcome = { kind: 'delivered', status: 202 };
const by = { actor: 'mara', atMs: now };

forEachDatabase('deliverer', (fixture) => {
  const { store, aStream, aSet, put, claim, stateOf } = deliveriesOf(fixture);
  let announcements: ReturnType<typeof createAnnouncements>;
  let nodes: Deliverer[];
  let clockMs: number;
  /** What left, in order. */
  let sent: string[];
  let errors: unknown[];

  beforeEach(() => {
    // Nothing is found by looking but what a test looks for.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    announcements = createAnnouncements({ onError: () => undefined });
    [nodes, sent, errors, clockMs] = [[], [], [], now];
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    vi.useRealTimers();
    if (errors.length > 0) throw new AggregateError(errors, 'the deliverer had errors');
    // Other tests ask for what is due as well.
    await fixture.database.pool.query(
      "UPDATE hub.deliveries SET state = 'cancelled' WHERE state = 'pending'",
    );
  });

  /** One node on the real stores; `receive` is the Receivers. */
  function aNode(
    receive: (id: string, stop: AbortSignal) => Promise<PushOutcome> = async () => taken,
    parts: Partial<DelivererPorts> = {},
  ): Deliverer {
    const node = createDeliverer({
      store: store(),
      sign: async ({ jti }) => signedAs({ id: jti }),
      isServed: () => true,
      async push({ compact, stop }) {
        const id = compact.replace('compact of ', '');
        sent.push(id);
        return receive(id, stop);
      },
      judge: createJudgePush({ chance: () => 0 }),
      trialFrom: failuresUntilTrial,
      announcer: announcements,
      later: () => undefined,
      nowMs: () => clockMs,
      onOutcome: () => undefined,
      onError: (error) => errors.push(error),
      ...parts,
    });
    nodes.push(node);
    return node;
  }
  const withStore = (parts: Partial<DeliveryStore>): Partial<DelivererPorts> => ({
    store: { ...store(), ...parts },
  });
  const streams = () =>
    createStreamStore({
      database: fixture.database,
      announcer: announcements,
      sealer: createSealer(randomBytes(32)),
    });
  const putOne = async (stream: StreamId, id: string, principal = id) => {
    await put(aSet(stream, { id: `${id}-${stream}`, principal }));
    return `${id}-${stream}`;
  };
  const isSent = (id: string) => vi.waitFor(() => expect(sent).toContain(id), within);
  const isDelivered = (id: string) =>
    vi.waitFor(async () => expect((await stateOf(id)).state).toBe('delivered'), within);
  const stopped = async (_id: string, stop: AbortSignal): Promise<PushOutcome> => {
    if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve));
    return { kind: 'retry', answer: { err: 'stopped' } };
  };

  it('DESIGN §4: a SET that is committed while its deliverer is just finishing is not stranded', async () => {
    const stream = await aStream();
    let next: string | undefined;
    const { settle } = store();
    aNode(
      undefined,
      withStore({
        async settle(...all) {
          await settle(...all);
          // Of the same principal: it can be claimed from now on, and nobody announces anything after this.
          if (next !== undefined) return;
          next = await putOne(stream, 'next', 'p');
          announcements.announce('deliveries');
        },
      }),
    );
    await putOne(stream, 'first', 'p');
    announcements.announce('deliveries');
    await vi.waitFor(() => expect(next).toBeDefined(), within);
    await isDelivered(String(next));
  });

  it('DESIGN §4: a node that is killed while it holds a claim delays what it held by the lease, and nothing else', async () => {
    const stream = await aStream();
    const held = await putOne(stream, 'held', 'p');
    const [dead] = of(stream, await claim());
    await store().storeSigned([{ ...dead!, signed: signedAs(dead!) }], now);
    const behind = await putOne(stream, 'behind', 'p');
    const other = await putOne(stream, 'other');
    const node = aNode();
    clockMs = lease - 1;
    node.wake();
    await isDelivered(other);
    expect(sent).toEqual([other]);
    clockMs = lease;
    node.wake();
    await isDelivered(behind);
    expect(sent).toEqual([other, held, behind]);
  });

  it('DESIGN §14, 4: losing every wake-up and every job loses nothing', async () => {
    const stream = await aStream();
    let fails = true;
    const later: number[] = [];
    aNode(async () => (fails ? { kind: 'retry', answer: { status: 503 } } : taken), {
      later: (_, dueAtMs) => void later.push(dueAtMs),
    });
    const id = await putOne(stream, 'lost');
    const look = () => vi.advanceTimersByTime(2_000);
    look();
    await vi.waitFor(() => expect(later).toHaveLength(1), within);
    fails = false;
    clockMs = Number(later[0]);
    look();
    await isDelivered(id);
    expect(sent).toEqual([id, id]);
  });

  it('a SET that a push is under way for is not taken over, however long that takes', async () => {
    const stream = await aStream();
    const answered = deferred<PushOutcome>();
    aNode(() => answered.promise).wake();
    const id = await putOne(stream, 'slow');
    announcements.announce('deliveries');
    await isSent(id);
    for (let kept = 0; kept < 3; kept += 1) {
      clockMs += 2_000;
      vi.advanceTimersByTime(2_000);
      await vi.waitFor(async () => {
        const { rows } = await fixture.database.pool.query<{ until: number }>(
          'SELECT claimed_until_ms::float8 AS until FROM hub.deliveries WHERE jti = $1',
          [id],
        );
        expect(rows).toEqual([{ until: clockMs + 5_000 }]);
      }, within);
    }
    expect(of(stream, await claim({ nowMs: clockMs }))).toEqual([]);
    answered.resolve(taken);
    await isDelivered(id);
    expect(sent).toEqual([id]);
  });

  it.each([
    ['deleted', (stream: StreamId) => streams().remove(stream, by)],
    [
      'paused',
      (stream: StreamId) =>
        streams().update(
          stream,
          (before) => ({
            stream: { ...before, status: 'paused' },
            audit: { action: 'stream.status-changed' },
          }),
          by,
        ),
    ],
  ] as const)(
    'what left before and is claimed again does not leave when its stream is %s meanwhile',
    async (_, end) => {
      const [stream, other] = [await aStream(), await aStream()];
      const id = await putOne(stream, 'again');
      await store().storeSigned(
        of(stream, await claim()).map((one) => ({ ...one, signed: signedAs(one) })),
        now,
      );
      clockMs = lease;
      const { claimPushes } = store();
      aNode(
        undefined,
        withStore({
          async claimPushes(ask) {
            const claims = await claimPushes(ask);
            if (claims.some((one) => one.id === id)) await end(stream);
            return claims;
          },
        }),
      ).wake();
      const beside = await putOne(other, 'beside');
      announcements.announce('deliveries');
      await isDelivered(beside);
      await Promise.all(nodes.map((node) => node.close()));
      expect(sent).toEqual([beside]);
    },
  );

  it('a push that waits is ended when its stream is deleted, and no other', async () => {
    const [stream, other] = [await aStream(), await aStream()];
    const ended: string[] = [];
    aNode(async (id, stop) => {
      const outcome = await stopped(id, stop);
      ended.push(id);
      return outcome;
    });
    const [waits, goesOn] = [await putOne(stream, 'waits'), await putOne(other, 'goes-on')];
    announcements.announce('deliveries');
    await isSent(waits);
    await isSent(goesOn);
    await streams().remove(stream, by);
    await vi.waitFor(() => expect(ended).toEqual([waits]), within);
  });

  it('a push that a pause ended is no failure of the Receiver, and comes again at once when the stream goes on', async () => {
    const stream = await aStream();
    const setStatus = (status: 'paused' | 'enabled') =>
      streams().update(
        stream,
        (before) => ({ stream: { ...before, status }, audit: { action: 'stream.status-changed' } }),
        by,
      );
    let isPatient = true;
    aNode((id, stop) => (isPatient ? stopped(id, stop) : Promise.resolve(taken)));
    const ids: string[] = [];
    for (let n = 0; n <= failuresUntilTrial; n += 1) ids.push(await putOne(stream, `n${n}`));
    announcements.announce('deliveries');
    for (const id of ids) await isSent(id);
    await setStatus('paused');
    await vi.waitFor(async () => expect((await stateOf(ids.at(-1)!)).attempts).toBe(1), within);
    isPatient = false;
    await setStatus('enabled');
    for (const id of ids) await isDelivered(id);
  });
});

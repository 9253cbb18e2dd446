import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createDeadLetters } from '../../src/adapters/postgres/dead-letters.ts';
import { insertSets, type NewDelivery } from '../../src/adapters/postgres/delivery-rows.ts';
import { createDeliveryStore } from '../../src/adapters/postgres/delivery-store.ts';
import { streams } from '../../src/adapters/postgres/schema-transmitter.ts';
import { setId, streamId, type StreamId } from '../../src/core/vocabulary.ts';
import type { Claim } from '../../src/transmitter/delivery-ports.ts';
import { forEachDatabase } from '../support/databases.ts';

const now = 1_763_764_000_000;
const lease = now + 5_000;
const eventType = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const signedAs = ({ id }: Claim) => ({ compact: `compact of ${id}`, kid: 'k1' });

forEachDatabase('deliveries', (fixture) => {
  const store = () =>
    createDeliveryStore({
      database: fixture.database,
      openAuthorization: (stream, sealed) => `${stream} ${Buffer.from(sealed).toString()}`,
    });

  async function aStream(parts: Partial<typeof streams.$inferInsert> = {}): Promise<StreamId> {
    const id = `str_${randomUUID()}`;
    await fixture.database.db.insert(streams).values({
      id,
      receiver: 'token:soc',
      aud: `aud-${id}`,
      eventsDelivered: [eventType],
      method: 'push',
      endpointUrl: parts.method === 'poll' ? null : 'https://receiver.example/events',
      status: 'enabled',
      algorithm: 'RS256',
      defaultSubjects: 'ALL',
      minVerificationInterval: 60,
      lastActivityAtMs: now,
      createdAtMs: now,
      updatedAtMs: now,
      ...parts,
    });
    return streamId(id);
  }

  let made = 0;
  const aSet = (
    stream: StreamId,
    parts: Partial<NewDelivery> & { readonly id?: string } = {},
  ): NewDelivery => {
    const jti = setId(parts.id ?? `set_${(made += 1)}_${randomUUID()}`);
    return {
      streamId: stream,
      eventType,
      principal: 'agent:build-runner',
      denies: false,
      claims: {
        iss: 'https://hub.example',
        jti,
        iat: now / 1_000,
        aud: 'aud',
        txn: 'txn',
        sub_id: { format: 'opaque', id: 'x' },
        events: { [eventType]: {} },
      },
      ...parts,
    };
  };
  const put = (...sets: readonly NewDelivery[]) =>
    fixture.database.transact((tx) => insertSets(tx, sets, now));
  const claim = (
    parts: { nowMs?: number; roomMax?: number; limit?: number; room?: [StreamId, number][] } = {},
  ) =>
    store().claimPushes({
      nowMs: parts.nowMs ?? now,
      untilMs: (parts.nowMs ?? now) + 5_000,
      room: new Map(parts.room),
      roomMax: parts.roomMax ?? 16,
      trialFrom: 5,
      limit: parts.limit ?? 256,
    });
  const of = (stream: StreamId, claims: readonly Claim[]) => claims.filter((one) => one.streamId === stream);
  const idsOf = (stream: StreamId, claims: readonly Claim[]) => of(stream, claims).map(({ id }) => id);
  const delivered = (claims: readonly Claim[]) =>
    store().settle(
      claims.map(({ id, fence }) => ({ id, fence, state: 'delivered' as const })),
      [],
      now,
    );
  const stateOf = async (id: string) => {
    const { rows } = await fixture.database.pool.query(
      'SELECT state, attempts, compact, last_answer FROM hub.deliveries WHERE jti = $1',
      [id],
    );
    return rows[0] as { state: string; attempts: number; compact: string | null; last_answer: unknown };
  };

  describe('claiming for push', () => {
    it('DESIGN §11: of one principal one at a time, in order; of several at once, denials first', async () => {
      const stream = await aStream();
      const sets = [
        aSet(stream, { id: `a1-${stream}`, principal: 'a' }),
        aSet(stream, { id: `a2-${stream}`, principal: 'a' }),
        aSet(stream, { id: `b1-${stream}`, principal: 'b' }),
        aSet(stream, { id: `c1-${stream}`, principal: 'c', denies: true }),
      ];
      await put(...sets);
      const first = of(stream, await claim());
      expect(new Set(first.map(({ id }) => id))).toEqual(
        new Set([`a1-${stream}`, `b1-${stream}`, `c1-${stream}`]),
      );
      expect(idsOf(stream, await claim())).toEqual([]);
      await delivered(first);
      expect(idsOf(stream, await claim())).toEqual([`a2-${stream}`]);
    });

    it('a denial goes before what others wait for, when there is room for one only', async () => {
      const stream = await aStream();
      await put(
        aSet(stream, { principal: 'a' }),
        aSet(stream, { id: `kill-${stream}`, principal: 'b', denies: true }),
      );
      expect(idsOf(stream, await claim({ roomMax: 1 }))).toEqual([`kill-${stream}`]);
    });

    it('a stream gets no more than there is room for, and leaves the others theirs', async () => {
      const [busy, idle] = [await aStream(), await aStream()];
      const many = (stream: StreamId) => ['a', 'b', 'c'].map((principal) => aSet(stream, { principal }));
      await put(...many(busy), ...many(idle));
      const claims = await claim({ room: [[busy, 1]] });
      expect([of(busy, claims).length, of(idle, claims).length]).toEqual([1, 3]);
    });

    it('a stream that fails and fails is tried with one SET, and with no other while that is on its way', async () => {
      const stream = await aStream({ failuresInRow: 5 });
      await put(...['a', 'b', 'c'].map((principal) => aSet(stream, { principal })));
      expect(of(stream, await claim({ room: [[stream, 15]] }))).toEqual([]);
      expect(of(stream, await claim())).toHaveLength(1);
    });

    it('says where to, by what credential and in which algorithm', async () => {
      const stream = await aStream({
        authorizationSealed: Buffer.from('sealed'),
        algorithm: 'ES256',
        failuresInRow: 2,
      });
      await put(aSet(stream));
      expect(of(stream, await claim())).toMatchObject([
        {
          endpointUrl: 'https://receiver.example/events',
          authorization: `${stream} sealed`,
          algorithm: 'ES256',
          failuresInRow: 2,
          attempts: 1,
          fence: 1,
        },
      ]);
    });

    it('SSF §8.1.2.1: what is paused waits, but for what is about the stream itself; disabled streams get nothing', async () => {
      const paused = await aStream({ status: 'paused' });
      const disabled = await aStream({ status: 'disabled' });
      await put(
        aSet(paused),
        aSet(paused, { id: `control-${paused}`, principal: 'stream', control: true }),
        aSet(disabled),
      );
      const claims = await claim();
      expect(idsOf(paused, claims)).toEqual([`control-${paused}`]);
      expect(idsOf(disabled, claims)).toEqual([]);
    });

    it('what is polled for, blocked, or not due yet is not claimed', async () => {
      const polled = await aStream({ method: 'poll' });
      const blocked = await aStream({ blockedUntilMs: now + 1 });
      const later = await aStream();
      await put(aSet(polled), aSet(blocked), aSet(later));
      const [first] = of(later, await claim());
      await store().settle(
        [
          {
            id: first?.id ?? setId(''),
            fence: 1,
            state: 'retry',
            answer: { status: 503 },
            dueAtMs: now + 100,
          },
        ],
        [],
        now,
      );
      const claims = await claim();
      expect([polled, blocked, later].map((stream) => of(stream, claims).length)).toEqual([0, 0, 0]);
      const soon = await claim({ nowMs: now + 100 });
      expect([polled, blocked, later].map((stream) => of(stream, soon).length)).toEqual([0, 1, 1]);
    });

    it('two nodes at once share what there is and take nothing twice', async () => {
      const stream = await aStream();
      await put(...Array.from({ length: 12 }, (_, n) => aSet(stream, { principal: `p${n}` })));
      const both = await Promise.all([claim(), claim()]);
      const ids = both.flatMap((claims) => idsOf(stream, claims));
      const rest = idsOf(stream, await claim());
      expect(new Set([...ids, ...rest]).size).toBe(12);
      expect(ids.length + rest.length).toBe(12);
    });
  });

  describe('a claim', () => {
    it('DESIGN §4: of a node that died is taken over after the lease, and its word counts no more', async () => {
      const stream = await aStream();
      await put(aSet(stream));
      const [dead] = of(stream, await claim());
      if (dead === undefined) throw new Error('nothing was claimed');
      expect(of(stream, await claim({ nowMs: lease - 1 }))).toEqual([]);
      const [heir] = of(stream, await claim({ nowMs: lease }));
      expect(heir).toMatchObject({ id: dead.id, fence: 2, attempts: 2 });
      const { id } = dead;
      expect(await store().storeSigned([{ id, fence: 1, signed: signedAs(dead) }], now)).toEqual(new Set());
      await store().settle([{ id, fence: 1, state: 'delivered' }], [], now);
      expect(await stateOf(id)).toMatchObject({ state: 'pending', compact: null });
      expect(await store().storeSigned([{ id, fence: 2, signed: signedAs(dead) }], now)).toEqual(
        new Set([id]),
      );
    });

    it('is held as long as its node says so', async () => {
      const stream = await aStream();
      await put(aSet(stream));
      const claims = of(stream, await claim());
      await store().keepClaims(claims, lease + 60_000);
      expect(of(stream, await claim({ nowMs: lease }))).toEqual([]);
    });

    it('repeats the bytes that left before', async () => {
      const stream = await aStream();
      await put(aSet(stream));
      const [first] = of(stream, await claim());
      if (first === undefined) throw new Error('nothing was claimed');
      await store().storeSigned([{ ...first, signed: signedAs(first) }], now);
      const [again] = of(stream, await claim({ nowMs: lease }));
      expect(again?.signed).toEqual(signedAs(first));
    });

    it('that failed for good is dead, the next of its principal goes on, and the endpoint is remembered', async () => {
      const stream = await aStream();
      await put(aSet(stream, { id: `bad-${stream}` }), aSet(stream, { id: `good-${stream}` }));
      const [bad] = of(stream, await claim());
      const answer = { status: 400, err: 'invalid_request' };
      await store().settle(
        [{ id: bad?.id ?? setId(''), fence: 1, state: 'dead', answer }],
        [{ streamId: stream, failuresInRow: 3, blockedUntilMs: now }],
        now,
      );
      expect(await stateOf(`bad-${stream}`)).toMatchObject({
        state: 'dead',
        last_answer: { ...answer, at_ms: now },
      });
      expect(of(stream, await claim())).toMatchObject([{ id: `good-${stream}`, failuresInRow: 3 }]);
    });
  });

  it('SSF §8.1.2.1: a newer opposite outdates what nobody has begun to send, and nothing else', async () => {
    const stream = await aStream();
    const account = { family: 'account', principal: 'p' };
    await put(aSet(stream, { ...account, id: `sent-${stream}` }));
    await claim();
    await put(
      aSet(stream, { ...account, id: `old-${stream}` }),
      aSet(stream, { principal: 'p', id: `other-${stream}` }),
      aSet(stream, { ...account, principal: 'q', id: `q-${stream}` }),
    );
    await put(aSet(stream, { ...account, id: `new-${stream}` }));
    const states = await Promise.all(
      ['sent', 'old', 'other', 'q', 'new'].map(async (name) => (await stateOf(`${name}-${stream}`)).state),
    );
    expect(states).toEqual(['pending', 'cancelled', 'pending', 'pending', 'pending']);
  });

  it('a stream that is gone is sent nothing, and the others get theirs', async () => {
    const stream = await aStream();
    await put(aSet(streamId('str_gone')), aSet(stream, { id: `here-${stream}` }));
    expect(idsOf(stream, await claim())).toEqual([`here-${stream}`]);
  });

  describe('polling', () => {
    const take = (stream: StreamId, limit = 100, nowMs = now) =>
      store().takeForPoll(stream, { nowMs, untilMs: nowMs + 30_000, limit });
    const signAll = (claims: readonly Claim[]) =>
      store().storeSigned(
        claims.map((one) => ({ ...one, signed: signedAs(one) })),
        now,
      );

    it('RFC 8936 §2.3: hands out in order, up to the limit, says whether there is more, and again what was not acknowledged', async () => {
      const stream = await aStream({ method: 'poll' });
      await put(...['1', '2', '3'].map((n) => aSet(stream, { id: `${n}-${stream}` })));
      const first = await take(stream, 2);
      expect([first.taken.map(({ id }) => id), first.more]).toEqual([[`1-${stream}`, `2-${stream}`], true]);
      const second = await take(stream);
      expect([second.taken.map(({ id }) => id), second.more]).toEqual([[`3-${stream}`], false]);
      expect((await take(stream)).taken).toEqual([]);
      await signAll([...first.taken, ...second.taken]);
      await store().acknowledge(stream, [`2-${stream}`], new Map(), now);
      const again = await take(stream, 100, now + 30_000);
      expect(again.taken.map(({ id, signed }) => [id, signed?.kid])).toEqual([
        [`1-${stream}`, 'k1'],
        [`3-${stream}`, 'k1'],
      ]);
    });

    it('RFC 8936 §2.4: an error ends a SET as dead, also when it is acknowledged besides; ids of others change nothing', async () => {
      const [stream, other] = [await aStream({ method: 'poll' }), await aStream({ method: 'poll' })];
      const ids = ['ok', 'bad', 'both'].map((name) => `${name}-${stream}`);
      await put(...ids.map((id) => aSet(stream, { id })), aSet(other, { id: `theirs-${stream}` }));
      await signAll([...(await take(stream)).taken, ...(await take(other)).taken]);
      const answer = { err: 'invalid_key', description: 'unknown kid' };
      const errors = new Map(['bad', 'both'].map((name) => [`${name}-${stream}`, answer]));
      await store().acknowledge(
        stream,
        [`ok-${stream}`, `both-${stream}`, `theirs-${stream}`, 'none'],
        errors,
        now,
      );
      const states = await Promise.all(
        [...ids, `theirs-${stream}`].map(async (id) => (await stateOf(id)).state),
      );
      expect(states).toEqual(['delivered', 'dead', 'dead', 'pending']);
      const letters = createDeadLetters({
        database: fixture.database,
        announcer: { announce: () => undefined },
      });
      expect(await letters.list(stream, { limit: 10 })).toMatchObject([{ answer }, { answer }]);
    });

    it('SSF §8.1.5: of a stream that was paused or disabled the last word is still there to fetch', async () => {
      for (const status of ['paused', 'disabled'] as const) {
        const stream = await aStream({ method: 'poll' });
        await put(aSet(stream), aSet(stream, { id: `updated-${stream}`, principal: 's', control: true }));
        await fixture.database.pool.query('UPDATE hub.streams SET status = $2 WHERE id = $1', [
          stream,
          status,
        ]);
        expect((await take(stream)).taken.map(({ id }) => id)).toEqual([`updated-${stream}`]);
      }
    });
  });

  it('dead letters are counted by a dry run, made due again by a replay, and that is audited', async () => {
    const stream = await aStream();
    await put(aSet(stream, { id: `dead-${stream}` }), aSet(stream, { id: `too-${stream}`, principal: 'q' }));
    const claims = of(stream, await claim());
    await store().settle(
      claims.map(({ id, fence }) => ({ id, fence, state: 'dead' as const, answer: { status: 400 } })),
      [],
      now,
    );
    const announced: string[] = [];
    const letters = createDeadLetters({
      database: fixture.database,
      announcer: { announce: (topic) => void announced.push(topic) },
    });
    const by = { actor: 'mara', atMs: now };
    const replay = (parts: object, dryRun = false) => letters.replay(stream, parts, { dryRun, by });
    expect(await replay({}, true)).toBe(2);
    expect(await replay({ untilMs: now - 1 }, true)).toBe(0);
    expect(announced).toEqual([]);
    expect(await replay({ ids: [`dead-${stream}`] })).toBe(1);
    expect(announced).toEqual(['deliveries']);
    expect(of(stream, await claim())).toMatchObject([{ id: `dead-${stream}`, attempts: 1 }]);
    const { rows } = await fixture.database.pool.query(
      "SELECT detail FROM hub.audit_log WHERE action = 'delivery.replayed' AND target = $1",
      [stream],
    );
    expect(rows).toEqual([{ detail: { count: 1 } }]);
  });
});
